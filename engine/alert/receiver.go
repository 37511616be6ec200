package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.yaml.in/yaml/v3"

	"portolan/engine"
	"portolan/engine/internal/yamlfile"
)

// The types of receivers.
const (
	typeWebhook      = "webhook"      // CloudEvents 1.0 as JSON, signed as Standard Webhooks has it
	typeAlertmanager = "alertmanager" // its API v2
	typeSlack        = "slack"        // an incoming webhook of Slack, or of what takes the same
)

// The usual values of a receiver.
const (
	DefaultTimeout = 10 * time.Second
	DefaultGiveUp  = 72 * time.Hour
	DefaultKeep    = 24 * time.Hour
)

// Receiver is somebody who is told. Read makes one.
type Receiver struct {
	Name    string
	Type    string
	Timeout time.Duration // of one request
	GiveUp  time.Duration // what is older is not sent again
	Batch   int           // of a webhook: so many events in a request; 1: one, not as a batch
	Keep    time.Duration // of an Alertmanager: a port alerts for that long, unless it is closed before

	url, urlEnv, tokenEnv string
	secretEnvs            []string

	// What resolve has found.
	token  string
	keys   []*webhooks.Webhook
	client *http.Client
}

var receiverFields = []string{"name", "type", "url", "url_env", "token_env", "secret_env", "timeout", "give_up", "batch", "keep"}

func readReceiver(node *yaml.Node) (_ *Receiver, name string, err error) {
	fields, texts, err := yamlfile.Texts(node, []string{"name", "type", "url", "url_env", "token_env"}, receiverFields...)
	r := &Receiver{Name: texts["name"], Type: texts["type"], url: texts["url"], urlEnv: texts["url_env"], tokenEnv: texts["token_env"]}
	if err != nil {
		return r, r.Name, err
	}
	err = r.read(node, fields)
	return r, r.Name, err
}

func (r *Receiver) read(node *yaml.Node, fields map[string]*yaml.Node) (err error) {
	switch r.Type {
	case typeWebhook, typeAlertmanager, typeSlack:
	default:
		at := fields["type"]
		if at == nil {
			at = node
		}
		return yamlfile.Errorf(at, "type: %q is not allowed: want %s, %s or %s", r.Type, typeWebhook, typeAlertmanager, typeSlack)
	}
	for field, of := range map[string]string{"secret_env": typeWebhook, "batch": typeWebhook, "keep": typeAlertmanager} {
		if fields[field] != nil && r.Type != of {
			return yamlfile.Errorf(fields[field], "%s: is not allowed of a receiver of type %s: it is for a %s", field, r.Type, of)
		}
	}
	if (fields["url"] == nil) == (fields["url_env"] == nil) {
		return yamlfile.Errorf(node, "want url, or url_env, which names a variable")
	}
	if fields["url"] != nil {
		if err := checkURL(r.url); err != nil {
			return &Error{Line: fields["url"].Line, Err: err}
		}
	}
	if at := fields["secret_env"]; at != nil {
		if at.Kind == yaml.ScalarNode {
			at = &yaml.Node{Kind: yaml.SequenceNode, Line: at.Line, Content: []*yaml.Node{at}}
		}
		if r.secretEnvs, err = yamlfile.Names(at, "secret_env", "names of variables"); err != nil {
			return err
		}
	}
	if r.Timeout, err = spanOf(fields["timeout"], "timeout", DefaultTimeout, 100*time.Millisecond, time.Minute); err != nil {
		return err
	}
	if r.GiveUp, err = spanOf(fields["give_up"], "give_up", DefaultGiveUp, time.Second, 90*24*time.Hour); err != nil {
		return err
	}
	if r.Keep, err = spanOf(fields["keep"], "keep", DefaultKeep, time.Minute, 90*24*time.Hour); err != nil {
		return err
	}
	r.Batch, err = numberOf(fields["batch"], "batch", 1, 1, 1000)
	return err
}

// resolve reads the variables, and makes the receiver ready to be told.
func (r *Receiver) resolve(getenv func(string) string) error {
	variable := func(field, name string) (string, error) {
		text := strings.TrimSpace(getenv(name))
		if text == "" {
			return "", fmt.Errorf("%s: the variable %s is empty", field, name)
		}
		return text, nil
	}
	var err error
	if r.urlEnv != "" {
		if r.url, err = variable("url_env", r.urlEnv); err != nil {
			return err
		}
		if err := checkURL(r.url); err != nil {
			return fmt.Errorf("url_env: the variable %s: %w", r.urlEnv, err)
		}
	}
	if r.tokenEnv != "" {
		if r.token, err = variable("token_env", r.tokenEnv); err != nil {
			return err
		}
	}
	r.keys = nil
	for _, name := range r.secretEnvs {
		secret, err := variable("secret_env", name)
		if err != nil {
			return err
		}
		key, err := webhooks.NewWebhook(secret)
		if err != nil || len(strings.TrimPrefix(secret, "whsec_")) < 32 { // 24 bytes
			return fmt.Errorf("secret_env: the variable %s: want whsec_ and the base64 of 24 to 64 bytes", name)
		}
		r.keys = append(r.keys, key)
	}
	if r.Type == typeAlertmanager && !strings.HasSuffix(r.url, alertsPath) {
		r.url = strings.TrimSuffix(r.url, "/") + alertsPath
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: r.Timeout,
		MaxResponseHeaderBytes: 64 << 10, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
	}
	r.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

// most is how many notices a request has at most.
func (r *Receiver) most() int {
	switch r.Type {
	case typeWebhook:
		return r.Batch
	case typeSlack:
		return slackLines
	}
	return alertsAtOnce
}

// ends says whether the receiver is to hear of what ends an alert.
func (r *Receiver) ends() bool { return r != nil && r.Type == typeAlertmanager }

// tell tells of notices, once. The error tells nothing that is secret.
func (r *Receiver) tell(ctx context.Context, list []*notice) error {
	var m message
	var err error
	switch r.Type {
	case typeWebhook:
		m, err = r.events(list)
	case typeSlack:
		m, err = slackMessage(list)
	default:
		m, err = r.alerts(list, time.Now())
	}
	if err != nil {
		return backoff.Permanent(err)
	}
	return r.post(ctx, m)
}

// message is a request in the making.
type message struct {
	id    string // of the one event in it, or the first
	media string
	body  []byte
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	text   string // the beginning of the answer
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("it answers %d %s", r.status, http.StatusText(r.status))
	if r.text != "" {
		text += fmt.Sprintf(" %q", r.text)
	}
	return text
}

// final says that the same request would be refused again.
func (r *refusal) final() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// Bounds of an answer.
const (
	shownAnswer = 200     // bytes of it in an error
	readAnswer  = 4 << 10 // read, so that the connection may be used again
	maxWait     = 10 * time.Minute
)

// post sends a request.
func (r *Receiver) post(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(m.body))
	if err != nil {
		return backoff.Permanent(errors.New("its url cannot be asked"))
	}
	req.Header.Set("Content-Type", m.media)
	req.Header.Set("User-Agent", "portolan")
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.Type == typeWebhook {
		if err := r.sign(req.Header, m, time.Now()); err != nil {
			return backoff.Permanent(err)
		}
	}
	res, err := r.client.Do(req)
	if err != nil {
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err // the other part is the address
		}
		return err
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, readAnswer))
	if res.StatusCode/100 == 2 {
		return nil
	}
	refused := &refusal{res.StatusCode, strings.TrimSpace(string(text[:min(len(text), shownAnswer)]))}
	if wait, ok := retryAfter(res.Header.Get("Retry-After"), time.Now()); ok {
		return fmt.Errorf("%w, and wants to rest: %w", refused, &backoff.RetryAfterError{Duration: wait})
	}
	return refused
}

// retryAfter is how long a receiver wants to be left alone (RFC 9110, section 10.2.3), within bounds.
func retryAfter(text string, now time.Time) (wait time.Duration, given bool) {
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(max(seconds, 0), int(maxWait/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	} else {
		return 0, false
	}
	return min(max(wait, time.Second), maxWait), true
}

// Check tells every receiver of a file that this is a test, once. The error joins one for each that did not take it;
// told is called with each name and what became of it.
func (f *File) Check(ctx context.Context, told func(name string, err error)) error {
	var errs []error
	for _, r := range f.Receivers {
		n := &notice{kind: noticeTest, id: "test_" + strconv.FormatInt(time.Now().UnixNano(), 36), rule: &Rule{Name: "test"}, time: time.Now().UTC()}
		err := r.tell(ctx, []*notice{n})
		told(r.Name, err)
		if err != nil {
			errs = append(errs, fmt.Errorf("receiver %q: %w", r.Name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// where is an inventory as the HTTP API has it.
func where(v engine.Inventory) string {
	if v.Project == "" {
		return "/v1/projects"
	}
	source := "/v1/projects/" + url.PathEscape(v.Project) + "/changes"
	if v.Category == engine.Container {
		source += "?category=container"
	}
	return source
}
