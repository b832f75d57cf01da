package main

import (
	"sync"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/spf13/cobra"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// networkPolicy is the part of kube-router that puts the NetworkPolicies of pods on this node into force, by iptables.
func networkPolicy() *cobra.Command {
	config := options.NewKubeRouterConfig()
	command := &cobra.Command{
		RunE: func(*cobra.Command, []string) error { return enforcePolicies(config) },
	}
	config.AddFlags(command.Flags())
	return command
}

func enforcePolicies(config *options.KubeRouterConfig) error {
	rest, err := clientcmd.BuildConfigFromFlags("", config.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(stop)
	factory.WaitForCacheSync(stop)

	iptables, ipsets, err := netpol.NewIPTablesHandlers(config)
	if err != nil {
		return err
	}
	var lock sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(client, config, pods, policies, namespaces, &lock, iptables, ipsets)
	if err != nil {
		return err
	}
	for _, err := range []error{
		second(pods.AddEventHandler(controller.PodEventHandler)),
		second(namespaces.AddEventHandler(controller.NamespaceEventHandler)),
		second(policies.AddEventHandler(controller.NetworkPolicyEventHandler)),
	} {
		if err != nil {
			return err
		}
	}
	beats := make(chan *healthcheck.ControllerHeartbeat, 10)
	go func() {
		for range beats {
		}
	}()
	var wait sync.WaitGroup
	wait.Add(1)
	controller.Run(beats, stop, &wait)
	return nil
}

func second[T any](_ T, err error) error { return err }
