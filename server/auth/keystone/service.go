package keystone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"portolan/server/auth"
)

// maxAnswer is how many bytes of an answer are read. A token's facts take about
// 1 KB; its catalog is not asked for.
const maxAnswer = 1 << 20

// noToken stands for the account's token until it first logs in. With none at
// all, each of the questions that come together then would log in anew.
const noToken = "none"

// facts are what the service says about a good token.
type facts struct {
	user    string // name and id
	project string // id; empty where the token is not scoped to a project
	roles   []string
	expires time.Time
}

// service asks a Keystone. See
// https://docs.openstack.org/api-ref/identity/v3/#validate-and-show-information-for-token.
type service struct {
	client  *gophercloud.ServiceClient
	account bool // whether tokens are validated by an account, else by themselves
}

func newService(base string, opts *Options) service {
	client := newClient(base, opts)
	if opts.Service == nil {
		return service{client: client}
	}
	client.UseTokenLock()
	client.SetToken(noToken)
	login, credentials := newClient(base, opts), opts.Service
	client.ReauthFunc = func(ctx context.Context) error {
		id, err := tokens.Create(ctx, login, &tokens.AuthOptions{
			Username: credentials.User, Password: credentials.Password, DomainName: credentials.UserDomain,
			Scope: tokens.Scope{ProjectName: credentials.Project, DomainName: credentials.ProjectDomain},
		}).ExtractTokenID()
		if err == nil && id == "" {
			err = errors.New("no X-Subject-Token")
		}
		if err == nil {
			client.SetToken(id)
		}
		return err
	}
	return service{client: client, account: true}
}

// newClient returns a client that reads no more than it must and shows tokens to
// nobody else. How long it waits is its contexts' to say.
func newClient(base string, opts *Options) *gophercloud.ServiceClient {
	transport := opts.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone() // always is one
		own.MaxIdleConnsPerHost = opts.MaxConcurrent
		transport = own
	}
	return &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{
			HTTPClient: http.Client{
				Transport:     bounded{transport},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
		},
		Endpoint: base,
	}
}

// bounded cuts the bodies of answers.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	}
	return resp, err
}

// validate asks about a token. Without an error, nil facts are those of a bad
// token.
func (s *service) validate(ctx context.Context, token string) (*facts, error) {
	opts := &gophercloud.RequestOpts{
		MoreHeaders: map[string]string{"X-Subject-Token": token},
		OkCodes:     []int{http.StatusOK, http.StatusNonAuthoritativeInfo, http.StatusNotFound},
	}
	if !s.account {
		opts.MoreHeaders[auth.TokenHeader] = token
		opts.OkCodes = append(opts.OkCodes, http.StatusUnauthorized) // who asks is who is asked about
	}
	var answer json.RawMessage
	resp, err := s.client.Get(ctx, s.client.ServiceURL("auth", "tokens")+"?nocatalog", &answer, opts)
	if err != nil {
		return nil, reason(err)
	}
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusUnauthorized:
		return nil, refusedBy(resp.StatusCode, answer)
	}
	return factsOf(answer)
}

// refusedBy returns nil if an answer is a refusal of Keystone's own, and else,
// as it may be that of whatever else listens there, an error.
func refusedBy(status int, answer []byte) error {
	var body struct {
		Error struct {
			Code int `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Error.Code != status {
		return fmt.Errorf("the answer has status %d and is not an Identity service's: check the URL", status)
	}
	return nil
}

// factsOf reads the answer about a good token.
func factsOf(answer []byte) (*facts, error) {
	var body struct {
		Token struct {
			User      tokens.User    `json:"user"`
			Project   tokens.Project `json:"project"`
			Roles     []tokens.Role  `json:"roles"`
			ExpiresAt time.Time      `json:"expires_at"`
		} `json:"token"`
	}
	if err := json.Unmarshal(answer, &body); err != nil {
		return nil, fmt.Errorf("read what the service says about a token: %w", err)
	}
	t := &body.Token
	if t.User.ID == "" || t.ExpiresAt.IsZero() {
		return nil, errors.New("the service's answer about a token has no user or no end")
	}
	f := &facts{user: fmt.Sprintf("%s (%s)", t.User.Name, t.User.ID), project: t.Project.ID, expires: t.ExpiresAt}
	for _, role := range t.Roles {
		f.roles = append(f.roles, role.Name)
	}
	return f, nil
}

// reason says what went wrong, for a log: without the body of an answer, which
// may hold anything.
func reason(err error) error {
	if failed, ok := errors.AsType[*gophercloud.ErrUnableToReauthenticate](err); ok {
		return fmt.Errorf("log in as the service's account: %w", reason(failed.ErrReauth))
	}
	if failed, ok := errors.AsType[*gophercloud.ErrErrorAfterReauthentication](err); ok {
		return fmt.Errorf("after a new login: %w", reason(failed.ErrOriginal))
	}
	answered, ok := errors.AsType[gophercloud.ErrUnexpectedResponseCode](err)
	_, isText := errors.AsType[*json.SyntaxError](err)
	switch {
	case isText:
		return fmt.Errorf("the answer is not an Identity service's: check the URL: %w", err)
	case !ok:
		return err
	case answered.Actual == http.StatusForbidden:
		return errors.New("the answer has status 403: the account that asks may not validate tokens")
	default:
		return fmt.Errorf("the answer has status %d", answered.Actual)
	}
}
