// Portolan counts how many servers have each port open.
package main

import "os"

func main() {
	os.Exit(run(untilSignalled(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}
