//go:build !unix

package store

import "errors"

// lockFree says whether no process has locked a file.
func lockFree(string) (bool, error) {
	return false, errors.New("this system cannot tell whether another process has it")
}
