package main

import (
	"context"
	"sync"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	"github.com/spf13/cobra"
)

// certManager is cert-manager's controller with what issues from an authority of its own. What it leaves out speaks to
// services elsewhere (ACME, Vault, Venafi).
func certManager() *cobra.Command {
	options := controller.ContextOptions{KubernetesAPIQPS: 50, KubernetesAPIBurst: 100}
	options.ClusterResourceNamespace = "cert-manager"
	command := &cobra.Command{
		RunE: func(*cobra.Command, []string) error { return runControllers(options) },
	}
	command.Flags().StringVar(&options.Kubeconfig, "kubeconfig", "", "how the API server is reached")
	return command
}

func runControllers(options controller.ContextOptions) error {
	ctx := context.Background()
	factory, err := controller.NewContextFactory(ctx, options)
	if err != nil {
		return err
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	var all []controller.Interface
	for _, construct := range controller.Known() {
		one, err := construct(factory)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	var wait sync.WaitGroup
	for _, one := range all {
		wait.Go(func() {
			if err := one.Run(1, ctx); err != nil {
				panic(err)
			}
		})
	}
	wait.Wait()
	return nil
}
