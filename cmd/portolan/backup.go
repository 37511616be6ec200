package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"portolan/engine"
	"portolan/engine/store"
	"portolan/server"
)

func (c *cli) backupCommand() *cobra.Command {
	var admin adminFlags
	var memory bool
	minFree := newMinFree()
	cmd := &cobra.Command{
		Use:   "backup --admin URL DIRECTORY",
		Short: "Copy what a server keeps, while it runs",
		Long: `Copy what a server with --data keeps into a directory on this machine, while the
server goes on, and read every record of the copy. The server must have
--admin-listen. The copy is a data directory: serve, verify and restore take it. Where
what the server has on its disk is damaged, --from-memory copies what it answers from.`,
		Example: `  portolan backup --admin http://127.0.0.1:9090 /backup/2026-11-28`,
		Args:    arguments(1, 1, "the directory to make"),
		RunE: body(func(ctx context.Context, args []string) error {
			return c.backup(ctx, &admin, args[0], memory, c.storeOptions(minFree))
		}),
	}
	admin.addTo(cmd)
	cmd.Flags().BoolVar(&memory, "from-memory", false, "copy what the server has in memory, not its files")
	cmd.Flags().Var(minFree, "min-free", "fail rather than leave less free on the disk")
	return cmd
}

func (c *cli) restoreCommand() *cobra.Command {
	var from, to directory
	minFree := newMinFree()
	cmd := &cobra.Command{
		Use:   "restore --from DIRECTORY --data DIRECTORY",
		Short: "Make a data directory of a backup",
		Long: `Copy a backup, or any data directory that no server has, into a new data directory,
and read every record of the copy.`,
		Example: `  portolan restore --from /backup/2026-11-28 --data /var/lib/portolan`,
		Args:    arguments(0, 0, ""),
		RunE: body(func(ctx context.Context, _ []string) error {
			return c.copied(to.path, func(opts *store.Options) (store.Copied, error) {
				return store.Restore(ctx, from.path, to.path, opts)
			}, c.storeOptions(minFree))
		}),
	}
	cmd.Flags().Var(&from, "from", "the `DIRECTORY` to copy")
	cmd.Flags().Var(&to, "data", "the `DIRECTORY` to make: one that is empty or not there")
	cmd.Flags().Var(minFree, "min-free", "fail rather than leave less free on the disk")
	_ = cmd.MarkFlagRequired("from") // It fails for a flag that is not there.
	_ = cmd.MarkFlagRequired("data")
	return cmd
}

// newMinFree returns the value of a flag: how much of a disk stays free.
func newMinFree() *number {
	return &number{value: store.DefaultMinFree, min: 1, what: "bytes"}
}

// storeOptions are those of a directory that is only looked at or copied.
func (c *cli) storeOptions(minFree *number) *store.Options {
	return &store.Options{Log: slog.New(slog.NewTextHandler(c.stderr, nil)), MinFree: uint64(minFree.value)}
}

// backup asks a server for everything and unpacks it.
func (c *cli) backup(ctx context.Context, admin *adminFlags, path string, memory bool, opts *store.Options) error {
	if path == "" {
		return misuse("want the path of a directory")
	}
	cl, err := c.adminClient(admin)
	if err != nil {
		return err
	}
	defer cl.close()
	call := "/backup"
	if memory {
		call += "?from=memory"
	}
	res, err := cl.do(ctx, http.MethodPost, call, nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return c.copied(path, func(opts *store.Options) (store.Copied, error) {
		return store.Unpack(ctx, path, res.Body, opts)
	}, opts)
}

// copied makes a copy at a path and says what is in it.
func (c *cli) copied(path string, copying func(*store.Options) (store.Copied, error), opts *store.Options) error {
	var end func()
	opts.Progress, end = c.assetProgress("reading the copy")
	copied, err := copying(opts)
	end()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s is whole: %d assets, up to batch %d, %d bytes\n", path, copied.Assets, copied.Sequence, copied.Bytes)
	return err
}

// backups returns what makes backups, nil where nothing is kept.
func (d *data) backups() server.Backup {
	if d.store == nil {
		return nil
	}
	return d.backup
}

// backup writes what is kept, with all that readers see; from memory if that is asked for, or
// the store has come to its end.
func (d *data) backup(ctx context.Context, fromMemory bool, to io.Writer) (err error) {
	if errors.Is(d.engine.Writable(ctx), engine.ErrReadOnly) {
		fromMemory = true
	}
	d.log.Info("a backup begins", "from_memory", fromMemory)
	switch {
	case fromMemory && !d.copies.TryLock():
		return store.ErrBackup
	case fromMemory:
		defer d.copies.Unlock()
		err = store.BackupOf(ctx, d.engine, to, &store.Options{Log: d.log})
	default:
		if err = d.engine.Sync(ctx); err == nil {
			err = d.store.Backup(ctx, to)
		}
	}
	if err != nil {
		d.log.Warn("a backup was not made", "problem", err)
		return err
	}
	d.backedUp.Store(time.Now().Unix())
	d.log.Info("a backup was made")
	return nil
}
