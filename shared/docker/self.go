package docker

import (
	"os"
	"regexp"
	"strings"
)

// identity is what this process can tell of the container that it runs in; all
// of it is empty outside of one. No single sign is reliable: the host name may
// be chosen, cgroup v2 hides the path, a shared network brings the other
// container's files, a containerd snapshotter knows no upper directory. Any of
// them is enough to leave a container alone.
type identity struct {
	hostname string   // a container's default host name is the beginning of its id
	ids      []string // container ids that our control groups and mounts name
	upper    string   // the writable layer under our root directory
}

func readIdentity() identity {
	hostname, _ := os.Hostname() // what cannot be read is a sign less
	cgroup, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return identify(hostname, string(cgroup), string(mounts))
}

// Self recognises the container that this process runs in, for whoever asks the
// engine without this package.
type Self struct{ signs identity }

// ReadSelf reads what tells our own container.
func ReadSelf() Self { return Self{readIdentity()} }

// Is tells whether the container with this id and writable layer (empty: not
// known) is ours.
func (s Self) Is(id, upperDir string) bool { return s.signs.is(id, upperDir) }

var (
	shortID = regexp.MustCompile(`^[0-9a-f]{12,64}$`)
	fullID  = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	upper   = regexp.MustCompile(`(?:^|,)upperdir=([^,]+)`)
	mounted = regexp.MustCompile(`/containers/([0-9a-f]{64})/`)
)

// identify reads the signs out of the host name and of /proc/self/cgroup and
// /proc/self/mountinfo.
func identify(hostname, cgroup, mountinfo string) identity {
	var me identity
	if shortID.MatchString(hostname) {
		me.hostname = hostname
	}
	me.ids = fullID.FindAllString(cgroup, -1)
	for line := range strings.Lines(mountinfo) {
		me.readMount(strings.Fields(line))
	}
	return me
}

// readMount reads one line of mountinfo, see proc_pid_mountinfo(5). Only the
// files that the engine mounts into a container tell: on a host, other lines
// name every container that runs.
func (me *identity) readMount(fields []string) {
	if len(fields) < 7 {
		return
	}
	switch root, point := fields[3], fields[4]; point {
	case "/etc/hostname", "/etc/hosts", "/etc/resolv.conf":
		if found := mounted.FindStringSubmatch(root); found != nil {
			me.ids = append(me.ids, found[1])
		}
	case "/":
		if found := upper.FindStringSubmatch(fields[len(fields)-1]); found != nil {
			me.upper = found[1]
		}
	}
}

// is tells whether the container with this id and writable layer is ours.
func (me identity) is(id, upperDir string) bool {
	if me.hostname != "" && strings.HasPrefix(id, me.hostname) {
		return true
	}
	for _, mine := range me.ids {
		if mine == id {
			return true
		}
	}
	return me.upper != "" && me.upper == upperDir
}
