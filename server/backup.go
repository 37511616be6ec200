package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Backup writes everything that is kept as a tar archive, from memory if that is asked for
// or what is on the disk cannot be used. Its error says that the archive is not whole.
type Backup func(ctx context.Context, fromMemory bool, to io.Writer) error

// takeBackupTime is how long a client may take for the next piece of a backup.
const takeBackupTime = time.Minute

// backupHandler answers with a backup. One that fails once it has begun ends in a
// connection that breaks off, so that nobody takes it for whole.
func backupHandler(backup Backup) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", noStore[0])
		if backup == nil {
			backupRefused(w, http.StatusNotFound, "there is nothing to back up: the server has no data directory")
			return
		}
		out := &backupWriter{ResponseWriter: w, deadlines: http.NewResponseController(w)}
		fromMemory := false
		switch from := r.URL.Query().Get("from"); from {
		case "memory":
			fromMemory = true
		case "", "disk":
		default:
			backupRefused(w, http.StatusBadRequest, fmt.Sprintf("from: %q is not allowed: want disk or memory", from))
			return
		}
		err := backup(r.Context(), fromMemory, out)
		switch {
		case err == nil:
		case out.begun:
			panic(http.ErrAbortHandler)
		default:
			backupRefused(w, http.StatusServiceUnavailable, err.Error())
		}
	}
}

func backupRefused(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", jsonType[0])
	w.WriteHeader(status)
	_, _ = w.Write(toJSON(apiEnvelope{unwritable.code, "No backup.", reason}))
}

// backupWriter is an answer that may take as long as it is taken.
type backupWriter struct {
	http.ResponseWriter
	deadlines *http.ResponseController
	begun     bool
}

func (b *backupWriter) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		b.Header().Set("Content-Type", "application/x-tar")
	}
	_ = b.deadlines.SetWriteDeadline(time.Now().Add(takeBackupTime)) // one that cannot be set is that of the server
	return b.ResponseWriter.Write(p)
}
