//go:build !race

package scanfile_test

const racing = false
