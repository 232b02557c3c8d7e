//go:build tools

// Package flagger pins the Flagger controller; its command is built from the module as it
// is published, but for the address it listens on: loopback.
package flagger

import _ "github.com/fluxcd/flagger/cmd/flagger"
