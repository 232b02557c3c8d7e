// Command controlplane is etcd, kube-apiserver, kube-controller-manager and kube-scheduler in one binary, for tests;
// the first argument says which. It ends when its standard input is closed, so that nothing outlives the tests.
//
//	controlplane certs DIR          writes the keys and certificates of a cluster on loopback
//	controlplane leash PROGRAM …    runs another program, and ends it in the same way
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: controlplane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|certs|leash [arguments]")
	}
	name := os.Args[1]
	os.Args = append([]string{name}, os.Args[2:]...)
	var command *cobra.Command
	switch name {
	case "certs":
		if err := writeCertificates(os.Args[1]); err != nil {
			fail(err)
		}
		return
	case "leash":
		leash(os.Args[1:])
	case "etcd":
		go atEnd(func() { os.Exit(1) })
		etcdmain.Main(os.Args)
		return
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllermanager.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	default:
		fail("unknown component " + name)
	}
	go atEnd(func() { os.Exit(1) })
	os.Exit(cli.Run(command))
}

func atEnd(end func()) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	end()
}

func leash(arguments []string) {
	child := exec.Command(arguments[0], arguments[1:]...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		fail(err)
	}
	go atEnd(func() { _ = child.Process.Kill() })
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	go func() { _ = child.Process.Signal(<-told) }()
	_ = child.Wait()
	os.Exit(child.ProcessState.ExitCode())
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(2)
}
