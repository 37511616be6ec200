package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"portolan/server"
	"portolan/server/auth"
	"portolan/server/reload"
)

// identityFlags are the flags about who may call.
type identityFlags struct {
	tokenEnv, tokenFile, keyFile string
}

func (f *identityFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.tokenEnv, "token-env", "PORTOLAN_TOKEN", "the `NAME` of the variable that holds the operator's token")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "let in the tokens of this `FILE`, which portolan token writes")
	cmd.Flags().StringVar(&f.keyFile, "access-key-file", "", "let in requests signed with the access keys of this JSON `FILE`")
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
	if len(sources) == 0 || c.getenv(f.tokenEnv) != "" {
		operator, err := c.operator(id, f.tokenEnv, addr)
		if err != nil {
			return nil, err
		}
		sources = append(sources, operator)
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

// watch has files read again when they change and on SIGHUP, until stop.
func watch(ctx context.Context, id *identity, pair *server.KeyPair, log *slog.Logger) (stop func()) {
	files := id.files
	if pair != nil {
		files = append(files, pair)
	}
	watcher := reload.Watch(ctx, log, files...)
	again, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(again, syscall.SIGHUP) // also without files: the signal must not end the process
	go func() {
		for {
			select {
			case <-again:
				watcher.Reload()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(again)
		close(done)
		watcher.Stop()
	}
}
