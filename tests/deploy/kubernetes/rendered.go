// Package kubernetes holds the chart of deploy/kubernetes against the types of the Kubernetes API.
package kubernetes

import (
	"fmt"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
)

const chartDirectory = "../../../deploy/kubernetes/chart"

// render does what `helm template specula-agent CHART --namespace specula` does: the values are held against the
// schema, and the manifests come in the order in which they are to be made.
func render(values map[string]any) (string, error) {
	loaded, err := loader.Load(chartDirectory)
	if err != nil {
		return "", err
	}
	return renderChart(loaded, values)
}

func renderChart(loaded *chart.Chart, values map[string]any) (string, error) {
	capabilities := *chartutil.DefaultCapabilities
	capabilities.KubeVersion = chartutil.KubeVersion{Version: "v1.29.0", Major: "1", Minor: "29"}
	release := chartutil.ReleaseOptions{Name: "specula-agent", Namespace: "specula", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(loaded, values, release, &capabilities)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(loaded, all)
	if err != nil {
		return "", err
	}
	for name := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(files, name)
		}
	}
	_, manifests, err := releaseutil.SortManifests(files, capabilities.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, manifest := range manifests {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", manifest.Name, strings.TrimSpace(manifest.Content))
	}
	return text.String(), nil
}

// split gives the single documents of a manifest.
func split(text string) []string {
	var keys []string
	documents := releaseutil.SplitManifests(text)
	for key := range documents {
		keys = append(keys, key)
	}
	sort.Sort(releaseutil.BySplitManifestsOrder(keys))
	var all []string
	for _, key := range keys {
		all = append(all, documents[key])
	}
	return all
}
