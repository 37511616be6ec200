package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// libVariable names the file of libchdb.so, as chdb-go has it.
const libVariable = "CHDB_LIB_PATH"

// chdb is ClickHouse in this process: libchdb.so, by the C interface of its chdb.h.
// The package chdb-go would do, but that it panics at the start of every program that
// links it where the library is not installed.
type chdb struct {
	conn uintptr // a chdb_connection *

	queryFn  func(conn uintptr, query, format string) uintptr
	bufferFn func(result uintptr) *byte
	lengthFn func(result uintptr) uintptr
	errorFn  func(result uintptr) string
	freeFn   func(result uintptr)
	closeFn  func(conn uintptr)
}

// findLib returns the library's file: the one given, or the first of the usual places.
func findLib(lib string) (string, error) {
	if lib == "" {
		lib = os.Getenv(libVariable)
	}
	if lib == "" {
		if path, err := exec.LookPath("libchdb.so"); err == nil {
			lib = path
		} else {
			lib = "/usr/local/lib/libchdb.so"
		}
	}
	if _, err := os.Stat(lib); err != nil { //nolint:gosec // the caller's own file
		return "", unavailableError{"libchdb.so is not installed: take it from npm's @chdb/lib-linux-x64-gnu and name it in " + libVariable}
	}
	return lib, nil
}

func openChDB(lib, dir string) (*chdb, error) {
	lib, err := findLib(lib)
	if err != nil {
		return nil, err
	}
	handle, err := purego.Dlopen(lib, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, unavailableError{err.Error()}
	}
	c := new(chdb)
	var connect func(argc int, argv []*byte) uintptr
	for name, fn := range map[string]any{
		"chdb_connect": &connect, "chdb_query": &c.queryFn, "chdb_result_buffer": &c.bufferFn, "chdb_result_length": &c.lengthFn,
		"chdb_result_error": &c.errorFn, "chdb_destroy_query_result": &c.freeFn, "chdb_close_conn": &c.closeFn,
	} {
		if _, err := purego.Dlsym(handle, name); err != nil {
			return nil, unavailableError{err.Error()}
		}
		purego.RegisterLibFunc(fn, handle, name)
	}
	args := [][]byte{[]byte("clickhouse\x00"), []byte("--path=" + dir + "\x00")}
	argv := []*byte{&args[0][0], &args[1][0]}
	c.conn = connect(len(argv), argv)
	runtime.KeepAlive(args)
	if c.conn == 0 {
		return nil, errors.New("chdb: no connection")
	}
	return c, nil
}

// query returns the answer as text, columns parted by tabs.
func (c *chdb) query(text string) (string, error) {
	// A chdb_connection * points to the connection itself.
	result := c.queryFn(**(**uintptr)(unsafe.Pointer(&c.conn)), text, "TabSeparated")
	if result == 0 {
		return "", nil
	}
	defer c.freeFn(result)
	if message := c.errorFn(result); message != "" {
		return "", fmt.Errorf("chdb: %s: %s", text, message)
	}
	if buffer := c.bufferFn(result); buffer != nil {
		return string(unsafe.Slice(buffer, c.lengthFn(result))), nil
	}
	return "", nil
}

func (c *chdb) close() { c.closeFn(c.conn) }
