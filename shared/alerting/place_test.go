package alerting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The hosts of these tests. Their runners have just said what they have.
var (
	hostA = Host{ID: "AAAA:0123:4567/trading-1", Name: "trading-1"}
	hostB = Host{ID: "BBBB:0123:4567/trading-2", Name: "trading-2"}
	twinB = Host{ID: "BBBB:0123:4567/trading-1", Name: "trading-1"} // another machine of A's name
)

func runner(h Host, change ...func(*Runner)) Runner {
	r := Runner{Owner: "process on " + h.ID, Host: h, Mode: Auto, Reachable: true, SeenAt: noon}
	for _, c := range change {
		c(&r)
	}
	return r
}

func having(names ...string) func(*Runner) { return func(r *Runner) { r.Containers = names } }
func seen(ago time.Duration) func(*Runner) { return func(r *Runner) { r.SeenAt = noon.Add(-ago) } }
func engineAway(r *Runner)                 { r.Reachable = false }
func unknown(r *Runner)                    { r.Host.ID, r.Reachable = "", false }
func inMode(m Mode) func(*Runner)          { return func(r *Runner) { r.Mode = m } }
func owned(by string) func(*Runner)        { return func(r *Runner) { r.Owner = by } }
func asking(r Runner) Runner               { return Runner{Owner: r.Owner, Host: r.Host} }
func placing(host string) (p Policy) {
	p = DefaultPolicy()
	p.Language = English
	p.hostOf(host)
	return p
}
func (p *Policy) hostOf(host string) {
	r := p.Rules[TickerSyncTimeout]
	r.Host = host
	p.Rules[TickerSyncTimeout] = r
}
func requested(ago time.Duration) Placement {
	return placementOf(Remediation{Status: Requested, Container: "x", RequestedAt: noon.Add(-ago)})
}
func placementOf(r Remediation) Placement {
	return Placement{Remediation: &r, Type: TickerSyncTimeout, Now: noon}
}

func TestARemediationIsPlacedWhereItsContainerIs(t *testing.T) {
	a, b := runner(hostA), runner(hostB)
	withX := having("w", "x")
	const claim, wait = "claim", "wait"
	all := func(r ...Runner) []Runner { return r }
	for name, c := range map[string]struct {
		runners []Runner
		me      Runner
		host    string // that the policy names
		ago     time.Duration
		want    string
	}{
		// One host: it need not wait for anybody, its own look at the engine decides.
		"one process, which keeps no record of runners": {nil, a, "", 0, claim},
		"… though its engine was not reached yet":       {nil, runner(Host{}), "", 0, claim},
		"one host":                                       {all(a), a, "", 0, claim},
		"one host, engine away":                          {all(runner(hostA, engineAway)), a, "", 0, claim},
		"one host, not registered yet":                   {nil, b, "", 0, claim},
		"one host, two processes":                        {all(a, runner(hostA, owned("other"))), a, "", 0, claim},
		"one host, the process before was killed":        {all(a, runner(hostA, owned("killed"), seen(20*time.Second))), a, "", 0, claim},
		"one host, restarted while its engine is away":   {all(runner(hostA, unknown), runner(hostA, owned("killed"), seen(time.Minute))), runner(hostA, unknown), "", 0, claim},
		"one host, the other was given up a day ago":     {all(a, runner(hostB, withX, seen(24*time.Hour))), a, "", 0, claim},
		"one host, and the policy names it":              {nil, a, "trading-1", 0, claim},
		"one host, and the policy names another":         {nil, a, "trading-2", 0, wait},
		"… until its time is over":                       {nil, a, "trading-2", 2 * time.Minute, "unclaimed: no Trade Monitor runs on the host that the policy names, trading-2"},
		"the policy names a host, ours is not known yet": {nil, runner(Host{}), "trading-1", 0, wait},

		// Two processes on one engine: the one that acts must not be forestalled by one that would refuse.
		"ours is off, the other acts":             {all(runner(hostA, withX, inMode(Off)), runner(hostA, owned("other"), withX)), a, "", 0, wait},
		"ours rehearses, the other acts":          {all(runner(hostA, withX, inMode(DryRun)), runner(hostA, owned("other"), withX)), a, "", 0, wait},
		"ours acts, the other is off":             {all(runner(hostA, withX), runner(hostA, owned("other"), withX, inMode(Off))), a, "", 0, claim},
		"ours does not list it, the other does":   {all(runner(hostA), runner(hostA, owned("other"), withX)), a, "", 0, wait},
		"both are off":                            {all(runner(hostA, withX, inMode(Off)), runner(hostA, owned("other"), withX, inMode(Off))), a, "", 0, claim},
		"ours is off, the one that acted is gone": {all(runner(hostA, withX, inMode(Off)), runner(hostA, owned("other"), withX, seen(time.Minute))), a, "", 0, claim},

		// Several.
		"another host has it":                     {all(a, runner(hostB, withX)), a, "", 0, wait},
		"ours has it":                             {all(a, runner(hostB, withX)), b, "", 0, claim},
		"ours has it, the other's engine is away": {all(runner(hostA, engineAway), runner(hostB, withX)), b, "", 0, claim},
		"ours has it, the other died":             {all(runner(hostA, withX, seen(15*time.Second)), runner(hostB, withX)), b, "", 0, claim},
		"the other had it and its engine is away: it was moved to ours": {all(runner(hostA, withX, engineAway), runner(hostB, withX)), b, "", 0, claim},
		"both have it":                                   {all(runner(hostA, withX), runner(hostB, withX)), a, "", 0, "two_hosts: trading-1, trading-2"},
		"both have it, one only looks on":                {all(runner(hostA, withX), runner(hostB, withX, inMode(Off))), a, "", 0, "two_hosts: trading-1, trading-2"},
		"both have it, and one name":                     {all(runner(hostA, withX), runner(twinB, withX)), a, "", 0, "two_hosts: trading-1 AAAA:0123, trading-1 BBBB:0123"},
		"both have it, the policy names ours":            {all(runner(hostA, withX), runner(hostB, withX)), a, "trading-1", 0, claim},
		"… by the engine's id":                           {all(runner(hostA, withX), runner(hostB, withX)), a, "AAAA:0123:4567", 0, claim},
		"… by both":                                      {all(runner(hostA, withX), runner(hostB, withX)), a, "AAAA:0123:4567/trading-1", 0, claim},
		"… by the beginning of the id, of two of a name": {all(runner(hostA, withX), runner(twinB, withX)), a, "AAAA:0123", 0, claim},
		"… by too little of it":                          {all(runner(hostA, withX), runner(twinB, withX)), a, "AAAA", 0, wait},
		"… names the other":                              {all(runner(hostA, withX), runner(hostB, withX)), a, "trading-2", 0, wait},
		"… names the other, whose name is ours":          {all(runner(hostA, withX), runner(twinB, withX)), a, "trading-1", 0, "two_hosts: trading-1 AAAA:0123, trading-1 BBBB:0123"},
		"… names one that has it, of two of a name":      {all(runner(hostA), runner(twinB, withX)), runner(twinB), "trading-1", 0, claim},
		"the policy names ours, which has it not":        {all(a, runner(hostB, withX)), a, "trading-1", 0, claim},
		"the policy names ours, whose engine is away":    {all(runner(hostA, engineAway), runner(hostB, withX)), a, "trading-1", 0, claim},
		"the policy names one that is not at work":       {all(runner(hostA, seen(time.Minute)), runner(hostB, withX)), b, "trading-1", time.Minute, wait},
		"… and its time is over":                         {all(runner(hostA, seen(time.Hour)), runner(hostB, withX)), b, "trading-1", 2 * time.Minute, "unclaimed: no Trade Monitor runs on the host that the policy names, trading-1"},
		"the host that has it does nothing":              {all(a, runner(hostB, withX)), a, "", 149 * time.Second, wait},
		"the host that has it does nothing for too long": {all(a, runner(hostB, withX)), a, "", 150 * time.Second, "unclaimed: trading-2 has the container and did nothing"},
		"… but it is ours: late is not too late":         {all(a, runner(hostB, withX)), b, "", time.Hour, claim},
		"the only one that has it has no engine":         {all(a, runner(hostB, withX, engineAway)), a, "", time.Minute, wait},
		"… and waits for it":                             {all(a, runner(hostB, withX, engineAway)), b, "", time.Minute, claim},

		// Nobody has it.
		"nobody has it, all have said so since":         {all(a, b), a, "", time.Second, claim},
		"nobody has it, the other said so before":       {all(a, runner(hostB, seen(2*time.Second))), a, "", time.Second, wait},
		"nobody has it, an engine is away":              {all(a, runner(hostB, engineAway)), a, "", time.Minute, wait},
		"nobody has it, an engine is away for too long": {all(a, runner(hostB, engineAway)), a, "", 2 * time.Minute, "unclaimed: the Docker of trading-2 cannot be reached"},
		"nobody has it, one was never reached":          {all(a, runner(Host{Name: "new"}, unknown)), a, "", 2 * time.Minute, "unclaimed: the Docker of new cannot be reached"},
		"its host died a moment ago":                    {all(a, runner(hostB, withX, seen(15*time.Second))), a, "", time.Minute, wait},
		"its host died":                                 {all(a, runner(hostB, withX, seen(time.Hour))), a, "", 2 * time.Minute, "unclaimed: trading-2 had the container, and no Trade Monitor runs there now"},
		"a host died, and it is not known whose it is":  {all(a, runner(hostB, seen(time.Hour))), a, "", 2 * time.Minute, "unclaimed: no host has the container"},
		"we have just started, and have not looked":     {all(runner(hostB)), a, "", time.Second, wait},

		// The cloud has no engine: it tells when nobody is there to tell.
		"the cloud, a runner is at work":            {all(a), Runner{}, "", time.Hour, wait},
		"the cloud, both have it":                   {all(runner(hostA, withX), runner(hostB, withX)), Runner{}, "", time.Hour, wait},
		"the cloud, nobody is at work":              {all(runner(hostA, seen(time.Hour))), Runner{}, "", time.Minute, wait},
		"the cloud, nobody is at work for too long": {all(runner(hostA, seen(time.Hour))), Runner{}, "", 2 * time.Minute, "unclaimed: no Trade Monitor runs on any host"},
		"the cloud, its host died":                  {all(runner(hostA, withX, seen(time.Hour))), Runner{}, "", 2 * time.Minute, "unclaimed: trading-1 had the container, and no Trade Monitor runs there now"},
		"the cloud, there never was a runner":       {nil, Runner{}, "", 2 * time.Minute, "unclaimed: no Trade Monitor runs on any host"},
	} {
		t.Run(name, func(t *testing.T) {
			p, q := placing(c.host), requested(c.ago)
			q.Runners, q.Me = c.runners, asking(c.me)
			requirePlaced(t, c.want, p.Place(q))
		})
	}
}

func requirePlaced(t *testing.T, want string, got Step) {
	t.Helper()
	is := string(got.Do)
	if got.Do == StepEnd {
		is = got.Reason.Code + ": " + got.Reason.Detail
	}
	require.Equal(t, want, is)
	if got.Do == StepWait && !got.Next.IsZero() {
		require.True(t, got.Next.After(noon), "it is looked at again later")
	}
}

// What was begun on an engine only that one can judge.
func TestABegunRemediationStaysWithItsHost(t *testing.T) {
	a, b := runner(hostA), runner(hostB)
	all := func(r ...Runner) []Runner { return r }
	for name, c := range map[string]struct {
		runners []Runner
		me      Runner
		host    string
		ago     time.Duration // since the limit of its call
		want    string
	}{
		"ours":                                         {all(a, b), a, hostA.ID, time.Hour, "claim"},
		"another's":                                    {all(a, b), a, hostB.ID, time.Hour, "wait"},
		"begun by a version that named no host":        {all(a, b), a, "", 0, "claim"},
		"one process: its engine has another id":       {nil, a, hostB.ID, 0, "claim"},
		"one process: its engine is away":              {nil, runner(Host{}), hostA.ID, 0, "claim"},
		"one host, restarted while its engine is away": {all(runner(hostA, unknown), runner(hostA, owned("killed"), seen(time.Hour))), runner(hostA, unknown), hostA.ID, time.Hour, "claim"},
		"its host is gone":                             {all(a, runner(hostB, seen(9*time.Minute))), a, hostB.ID, time.Hour, "wait"},
		"its host is gone for too long":                {all(a, runner(hostB, seen(10*time.Minute))), a, hostB.ID, time.Hour, "host_away: trading-2"},
		"… but its call may still be answered":         {all(a, runner(hostB, seen(time.Hour))), a, hostB.ID, 9 * time.Minute, "wait"},
		"its host was forgotten":                       {all(a), a, hostB.ID, 10 * time.Minute, "host_away: trading-2"},
		"the cloud, its host is at work":               {all(b), Runner{}, hostB.ID, time.Hour, "wait"},
		"the cloud, nobody is":                         {all(runner(hostB, seen(time.Hour))), Runner{}, hostB.ID, time.Hour, "host_away: trading-2"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []RemediationStatus{Running, Verifying} {
				p := placing("")
				q := placementOf(Remediation{Status: status, Container: "x", Host: c.host, RequestedAt: noon.Add(-24 * time.Hour), CallLimit: noon.Add(-c.ago)})
				q.Runners, q.Me = c.runners, asking(c.me)
				step := p.Place(q)
				requirePlaced(t, c.want, step)
				if step.Do == StepEnd {
					require.Equal(t, UnknownOutcome, step.Status)
				}
			}
		})
	}
}

// A request is claimed by at most one host, whoever looks in which order.
func TestNoTwoHostsClaimTheSame(t *testing.T) {
	kinds := []func(*Runner){func(*Runner) {}, having("x"), engineAway, func(r *Runner) { r.Containers, r.Reachable = []string{"x"}, false }, seen(20 * time.Second)}
	for _, one := range kinds {
		for _, two := range kinds {
			for _, ago := range []time.Duration{0, time.Second, 3 * time.Minute} {
				for _, named := range []string{"", "trading-1"} {
					runners := []Runner{runner(hostA, one), runner(hostB, two)}
					claims := 0
					for i := range runners {
						p, q := placing(named), requested(ago)
						q.Runners, q.Me = runners, asking(runners[i])
						if runners[i].Live(noon) && p.Place(q).Do == StepClaim {
							claims++
						}
					}
					p, q := placing(named), requested(ago)
					nowhere := q
					nowhere.Runners = runners
					if !nowhere.nowhere(p.Rule(TickerSyncTimeout).hosts(Sites(runners, noon))) {
						require.LessOrEqual(t, claims, 1, "%+v", runners)
					}
				}
			}
		}
	}
}

func TestSitesAreHostsAndNotProcesses(t *testing.T) {
	all := Sites([]Runner{
		runner(hostA, having("b", "a"), owned("one")), runner(hostA, having("b", "c"), owned("two"), engineAway, seen(time.Second)), runner(hostA, having("gone"), seen(time.Minute)),
		runner(hostB, having("old"), seen(time.Minute)), runner(hostB, having("older"), seen(time.Hour)),
	}, noon)
	require.Len(t, all, 2)
	require.Equal(t, hostA, all[0].Host)
	require.Equal(t, []string{"a", "b", "c"}, all[0].Containers)
	require.Equal(t, 2, all[0].Runners)
	require.True(t, all[0].Live && all[0].Reachable)
	require.Equal(t, []string{"old"}, all[1].Containers, "the last known")
	require.False(t, all[1].Live || all[1].Reachable)
	require.Equal(t, noon.Add(-time.Minute), all[1].SeenAt)
}

// What another host's list or label admits may be requested here. Here it is not
// touched.
func TestWhatOtherHostsMayActUponIsOnlyRequested(t *testing.T) {
	p := placing("")
	p.Elsewhere = []string{"theirs"}
	q := Ask{Type: TickerSyncTimeout, Severity: Error, Action: Restart, Container: "theirs", Now: noon}
	require.Empty(t, p.Guard(q).Code)
	q.Facts = &Facts{Container: &Container{ID: "c", Name: "theirs", Running: true, StartedAt: noon.Add(-time.Hour)}, Now: noon}
	require.Equal(t, "not_allowed", p.Guard(q).Code)
	q.Container, q.Facts = "nobodys", nil
	require.Equal(t, "not_allowed", p.Guard(q).Code)
}
