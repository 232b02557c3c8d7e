//go:build tools

// Package argo pins the Argo Rollouts controller; its command is built from the module as it
// is published, but for the address it listens on: loopback.
package argo

import _ "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"
