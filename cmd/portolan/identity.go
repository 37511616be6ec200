package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"portolan/server"
	"portolan/server/auth"
	"portolan/server/auth/keystone"
	"portolan/server/reload"
)

// identityFlags are the flags about who may call.
type identityFlags struct {
	tokenEnv, tokenFile, keyFile string
	keystone                     keystoneFlags
}

// keystoneFlags are the flags about a Keystone that judges tokens.
type keystoneFlags struct {
	url, user, passwordEnv, project string
	userDomain, projectDomain       string
	writeRoles                      names
	cache                           time.Duration
}

func (f *identityFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.tokenEnv, "token-env", "PORTOLAN_TOKEN", "the `NAME` of the variable that holds the operator's token")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "let in the tokens of this `FILE`, which portolan token writes")
	cmd.Flags().StringVar(&f.keyFile, "access-key-file", "", "let in requests signed with the access keys of this JSON `FILE`")
	f.keystone.addTo(cmd)
}

func (f *keystoneFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "keystone-url", "", "let in the tokens of projects that the OpenStack Identity service at this `URL` says are good")
	flags.Var(&f.writeRoles, "keystone-write-roles", "let those write who have one of the roles of these `NAMES` in the project; without, nobody")
	flags.DurationVar(&f.cache, "auth-cache", keystone.DefaultCacheTTL, "believe what the service says of a token for this `TIME`; at most 1m, 0 asks each time")
	flags.StringVar(&f.user, "keystone-user", "", "ask the service as the user of this `NAME`; without one each token asks about itself")
	flags.StringVar(&f.passwordEnv, "keystone-password-env", "PORTOLAN_KEYSTONE_PASSWORD", "the `NAME` of the variable that holds the user's password")
	flags.StringVar(&f.project, "keystone-project", "service", "ask within the project of this `NAME`")
	flags.StringVar(&f.userDomain, "keystone-user-domain", "Default", "the `NAME` of the user's domain")
	flags.StringVar(&f.projectDomain, "keystone-project-domain", "Default", "the `NAME` of the project's domain")
}

// open returns the source that the flags name, nil for none.
func (f *keystoneFlags) open(getenv func(string) string) (auth.Authenticator, error) {
	if f.url == "" {
		for flag, given := range map[string]bool{"keystone-user": f.user != "", "keystone-write-roles": len(f.writeRoles.list) > 0} {
			if given {
				return nil, misuse("--%s is for --keystone-url, which is missing", flag)
			}
		}
		return nil, nil //nolint:nilnil // no source is no error
	}
	if f.cache < 0 || f.cache > keystone.MaxCacheTTL {
		return nil, misuse("--auth-cache is %s: want 0 to %s", f.cache, keystone.MaxCacheTTL)
	}
	opts := &keystone.Options{WriteRoles: f.writeRoles.list, CacheTTL: f.cache}
	if f.cache == 0 {
		opts.CacheTTL = -1
	}
	if f.user != "" {
		password := getenv(f.passwordEnv)
		if password == "" {
			return nil, misuse("--keystone-user is %q, and the variable %s, which holds the password, is empty", f.user, f.passwordEnv)
		}
		opts.Service = &keystone.Credentials{
			User: f.user, Password: password, UserDomain: f.userDomain, Project: f.project, ProjectDomain: f.projectDomain,
		}
	}
	source, err := keystone.New(f.url, opts)
	if err != nil {
		return nil, usageError{fmt.Errorf("--keystone-url: %w", err)}
	}
	return source, nil
}

// identity is how a server learns who calls.
type identity struct {
	source auth.Authenticator
	files  []reload.File
	token  serverToken // of the operator; without text there is none
}

// identity opens the sources that the flags name. An operator's token is made
// up only where nothing else could let anybody in.
func (c *cli) identity(f *identityFlags, addr *net.TCPAddr) (*identity, error) {
	id := new(identity)
	var sources []auth.Authenticator
	if f.keyFile != "" { // first: a signature decides also where there is a token
		keys, err := auth.OpenAccessKeys(f.keyFile, nil)
		if err != nil {
			return nil, err
		}
		sources, id.files = append(sources, keys), append(id.files, keys)
	}
	if f.tokenFile != "" {
		tokens, err := auth.OpenTokens(f.tokenFile, nil)
		if err != nil {
			return nil, err
		}
		sources, id.files = append(sources, tokens), append(id.files, tokens)
	}
	remote, err := f.keystone.open(c.getenv)
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 && remote == nil || c.getenv(f.tokenEnv) != "" {
		operator, err := c.operator(id, f.tokenEnv, addr)
		if err != nil {
			return nil, err
		}
		sources = append(sources, operator)
	}
	if remote != nil { // last: it is asked over the network
		sources = append(sources, remote)
	}
	id.source = auth.FirstOf(sources...)
	return id, nil
}

// operator opens the source of the operator's token.
func (c *cli) operator(id *identity, env string, addr *net.TCPAddr) (_ auth.Authenticator, err error) {
	if id.token, err = c.serverToken(env, addr); err != nil {
		return nil, err
	}
	return auth.OperatorToken(id.token.text)
}

// watch has files read again when they change and on SIGHUP, and the access log opened anew then,
// until stop.
func watch(ctx context.Context, policy *policySource, alerts *alertsSource, id *identity, pair *server.KeyPair, accesses *server.LogQueue, log *slog.Logger) (watcher *reload.Watcher, stop func()) {
	files := id.files
	if pair != nil {
		files = append(files, pair)
	}
	if policy != nil {
		files = append(files, policy)
	}
	if alerts != nil {
		files = append(files, alerts)
	}
	watcher = reload.Watch(ctx, log, files...)
	again, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(again, syscall.SIGHUP) // also without files: the signal must not end the process
	go func() {
		for {
			select {
			case <-again:
				over := reloading(log)
				watcher.Reload()
				if accesses != nil {
					if err := accesses.Reload(); err != nil {
						log.Error("opening the access log anew failed; the old one stays", "error", err)
					}
				}
				over()
			case <-done:
				return
			}
		}
	}()
	return watcher, func() {
		signal.Stop(again)
		close(done)
		watcher.Stop()
	}
}
