//go:build !unix

package bench

import "time"

// processTime returns 0: it is not known how long the process has been on a processor.
func processTime() time.Duration { return 0 }
