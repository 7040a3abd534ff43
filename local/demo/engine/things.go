package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Import makes an image FROM scratch: layer is a tar archive of all its files,
// changes are Dockerfile instructions. A name that an image has is not taken
// away from it.
func (e *Engine) Import(ctx context.Context, name string, layer io.Reader, changes ...string) error {
	err := e.call(ctx, http.MethodGet, "/images/"+name+":latest/json", nil, nil)
	if err == nil {
		return taken(name, errors.New("there is an image of this name"))
	}
	if !answered(err, http.StatusNotFound) {
		return fmt.Errorf("image %s: %w", name, err)
	}
	query := url.Values{"fromSrc": {"-"}, "repo": {name}, "tag": {"latest"}, "changes": changes}
	var progress bytes.Buffer
	if err := e.call(ctx, http.MethodPost, "/images/create?"+query.Encode(), layer, &progress); err != nil {
		return fmt.Errorf("image %s: %w", name, err)
	}
	// The status was sent before the work was done: a failure is in the stream.
	if strings.Contains(progress.String(), `"error"`) {
		return fmt.Errorf("image %s: %s", name, strings.TrimSpace(progress.String()))
	}
	return nil
}

// CreateNetwork makes a bridge network.
func (e *Engine) CreateNetwork(ctx context.Context, name string, labels map[string]string) error {
	network := map[string]any{"Name": name, "Driver": "bridge", "CheckDuplicate": true, "Labels": labels}
	err := e.call(ctx, http.MethodPost, "/networks/create", network, nil)
	if answered(err, http.StatusConflict) {
		return taken(name, err)
	}
	if err != nil {
		return fmt.Errorf("network %s: %w", name, err)
	}
	return nil
}

// taken says that a name belongs to something that is not ours.
func taken(name string, err error) error {
	return fmt.Errorf("名称 %s 已被占用，请用 --name 换一个前缀 (the name is taken; choose another --name): %w", name, err)
}

// Labelled names the containers, networks and images that carry all of the
// labels.
func (e *Engine) Labelled(ctx context.Context, labels map[string]string) ([]string, error) {
	all, err := e.find(ctx, labels)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.name
	}
	return names, nil
}

// RemoveLabelled removes the containers, networks and images that carry all of
// the labels, running or not, and nothing else. It goes on after a failure and
// tells how many things are gone.
func (e *Engine) RemoveLabelled(ctx context.Context, labels map[string]string) (int, error) {
	all, err := e.find(ctx, labels)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, t := range all {
		switch failed := e.call(ctx, http.MethodDelete, t.path, nil, nil); {
		case failed == nil:
			removed++
		case !answered(failed, http.StatusNotFound): // gone is what was wanted
			err = errors.Join(err, fmt.Errorf("remove %s: %w", t.name, failed))
		}
	}
	return removed, err
}

// thing is something that the engine keeps, with the path that removes it.
type thing struct{ name, path string }

// find lists in the order of removal: what uses comes before what is used.
func (e *Engine) find(ctx context.Context, labels map[string]string) ([]thing, error) {
	var wanted []string
	for name, value := range labels {
		wanted = append(wanted, name+"="+value)
	}
	filters, err := json.Marshal(map[string][]string{"label": wanted})
	if err != nil {
		return nil, fmt.Errorf("docker filters: %w", err)
	}
	query := "filters=" + url.QueryEscape(string(filters))
	var containers []struct {
		ID    string
		Names []string
	}
	var networks []struct{ ID, Name string }
	var images []struct {
		ID       string
		RepoTags []string
	}
	if err := errors.Join(
		e.call(ctx, http.MethodGet, "/containers/json?all=1&"+query, nil, &containers),
		e.call(ctx, http.MethodGet, "/networks?"+query, nil, &networks),
		e.call(ctx, http.MethodGet, "/images/json?"+query, nil, &images),
	); err != nil {
		return nil, err
	}
	var all []thing
	for _, c := range containers {
		all = append(all, thing{strings.TrimPrefix(strings.Join(c.Names, " "), "/"), "/containers/" + c.ID + "?force=1&v=1"})
	}
	for _, n := range networks {
		all = append(all, thing{n.Name, "/networks/" + n.ID})
	}
	for _, i := range images {
		all = append(all, thing{strings.Join(i.RepoTags, " "), "/images/" + i.ID + "?force=1"})
	}
	return all, nil
}
