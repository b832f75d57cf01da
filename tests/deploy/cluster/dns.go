package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	"github.com/spf13/cobra"
)

// dns is CoreDNS with the one plugin that knows the services of a cluster.
func dns() *cobra.Command {
	return &cobra.Command{
		DisableFlagParsing: true,
		Run:                func(*cobra.Command, []string) { coremain.Run() },
	}
}
