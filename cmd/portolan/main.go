// Portolan counts how many servers have each port open.
package main

import "os"

func main() {
	os.Exit(run(untilSignalled(), os.Args[1:], environment{os.Getenv, os.Environ}, os.Stdin, os.Stdout, os.Stderr))
}
