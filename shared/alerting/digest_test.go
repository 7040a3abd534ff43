package alerting

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func foldedWord(id int64, kind Kind, severity Severity, alertType, service string, after time.Duration) DigestWord {
	return DigestWord{AlertID: id, Kind: kind, Severity: severity, Type: alertType, Service: service, Title: service + " " + after.String(), At: noon.Add(after)}
}

func TestFold(t *testing.T) {
	d := Fold([]DigestWord{
		foldedWord(1, Firing, Warning, "DISK", "a", 1*time.Second),
		foldedWord(2, Firing, Error, "DISK", "b", 2*time.Second),
		foldedWord(2, Firing, Warning, "DISK", "b", 3*time.Second), // milder, and newer
		foldedWord(3, Firing, Info, "CPU", "a", 0),
		foldedWord(4, Firing, Warning, "DISK", "c", 4*time.Second),
		foldedWord(2, Over, Error, "DISK", "b", 5*time.Second),
		foldedWord(5, Outcome, Error, "TICKER", "d", 5*time.Second),
	}, false, ShortDigest)
	assert.Equal(t, 7, d.Words)
	assert.Equal(t, 5, d.Alerts)
	assert.Equal(t, 4, d.Services)
	assert.Equal(t, noon, d.From)
	assert.Equal(t, noon.Add(5*time.Second), d.To)
	assert.Equal(t, ShortDigest, d.Form)
	var order []string
	total := 0
	for _, s := range d.Sections {
		order = append(order, string(s.Kind)+" "+s.Type+" "+string(s.Severity))
		total += s.Words
	}
	assert.Equal(t, []string{"FIRING DISK ERROR", "FIRING CPU INFO", "OUTCOME TICKER ERROR", "RESOLVED DISK ERROR"}, order)
	assert.Equal(t, 7, total, "every word is counted once")
	disk := d.Sections[0]
	require.Len(t, disk.Lines, 3)
	assert.Equal(t, []string{"b", "c", "a"}, []string{disk.Lines[0].Service, disk.Lines[1].Service, disk.Lines[2].Service}, "the worst, then the newest")
	assert.Equal(t, 2, disk.Lines[0].Words)
	assert.Equal(t, "b 2s", disk.Lines[0].Title, "of the worst")
}

func TestFoldNothing(t *testing.T) {
	assert.Equal(t, Digest{Critical: true}, Fold(nil, true, FullDigest))
}

func TestWhomADigestCalls(t *testing.T) {
	p := DefaultPolicy()
	p.Default.Mentions = []Mention{{From: Error, Users: []string{"li", "wang"}}, {From: Critical, Users: []string{"zhang"}, Mobiles: []Mobile{"13800000000"}}}
	id := int64(0)
	word := func(kind Kind, severity Severity) DigestWord {
		id++
		return foldedWord(id, kind, severity, "DISK", "a", 0)
	}
	called := func(words ...DigestWord) (People, []int64) {
		all, byPhone := p.MentionAll(words, Markdown)
		var behind []int64
		for _, w := range byPhone {
			behind = append(behind, w.AlertID)
		}
		return all, behind
	}
	over, again, worse, failed, done := word(Firing, Critical), word(Firing, Critical), word(Firing, Critical), word(Outcome, Error), word(Outcome, Critical)
	over.Over, again.Told, worse.Told = true, Critical, Error
	failed.Remediation, done.Remediation = &Remediation{Status: Failed}, &Remediation{Status: Succeeded}
	people, behind := called(word(Firing, Warning), word(Over, Critical), over, again, done)
	assert.True(t, people.Nobody(), "too mild, over, told before, no need")
	assert.Empty(t, behind)
	people, behind = called(word(Firing, Warning), word(Firing, Error))
	assert.Equal(t, People{Users: []string{"li", "wang"}}, people)
	assert.Empty(t, behind, "markdown can call them")
	people, _ = called(failed)
	assert.Equal(t, []string{"li", "wang"}, people.Users, "it did not help")
	first := word(Firing, Critical)
	people, behind = called(word(Firing, Error), again, first, word(Firing, Critical), worse)
	assert.Equal(t, People{Users: []string{"li", "wang", "zhang"}, Mobiles: []Mobile{"13800000000"}}, people)
	assert.Equal(t, []int64{first.AlertID}, behind, "one call for each type: the worst, and of those the first")
	other := word(Firing, Critical)
	other.Type = "CPU"
	_, behind = called(first, other)
	assert.Equal(t, []int64{first.AlertID, other.AlertID}, behind)
}

func TestASummonsNamesEachAlertOnce(t *testing.T) {
	s := Summon([]DigestWord{
		foldedWord(1, Call, Error, "DISK", "a", 0), foldedWord(2, Call, Critical, "DISK", "b", 0), foldedWord(3, Call, Error, "CPU", "c", time.Second), foldedWord(1, Call, Critical, "DISK", "a", 2*time.Second),
	}, ShortDigest)
	var ids []int64
	for _, w := range s.Alerts {
		ids = append(ids, w.AlertID)
	}
	assert.Equal(t, []int64{1, 2, 3}, ids, "the worst first, then the newest")
	assert.Equal(t, Critical, s.Alerts[0].Severity)
	assert.Equal(t, ShortDigest, s.Form)
}

// A digest that WeCom refuses for its content kills no word: it is cut to half,
// then to its numbers, and what is refused even so steps aside.
func TestARefusedDigestKillsNoWord(t *testing.T) {
	for _, class := range []VerdictClass{ClassTooLong, ClassBadWords} {
		refused := Verdict{Status: Refused, Class: class, ErrCode: 40058, Error: "errcode 40058"}
		n := Notification{Status: Pending, NextAt: noon}
		require.Equal(t, FullDigest, n.Reason.Form())
		n = n.AfterDigest(refused, noon)
		require.Equal(t, ShortDigest, n.Reason.Form())
		n = n.AfterDigest(refused, noon)
		require.Equal(t, BareDigest, n.Reason.Form())
		require.Equal(t, noon, n.NextAt, "at once")
		for tries := 3; tries < 200; tries++ {
			n = n.AfterDigest(refused, noon)
			require.Equal(t, Pending, n.Status)
			require.Equal(t, tries, n.Attempts)
			require.Equal(t, BareDigest, n.Reason.Form())
			require.True(t, n.NextAt.After(noon) && !n.NextAt.After(noon.Add(time.Hour)))
		}
		n = n.AfterDigest(Verdict{Status: Accepted, Class: ClassOK}, noon)
		require.Equal(t, Sent, n.Status)
		require.True(t, n.Reason.IsZero())
	}
}

func TestAWordThatIsTooLongIsCutOnce(t *testing.T) {
	long := Verdict{Status: Refused, Class: ClassTooLong, ErrCode: 40058, Error: "errcode 40058"}
	n := Notification{Status: Pending}.AfterVerdict(long, noon)
	require.Equal(t, Pending, n.Status)
	require.Equal(t, Reason{Code: "too_long", Detail: "errcode 40058"}, n.Reason)
	n = n.AfterVerdict(long, noon)
	require.Equal(t, Dead, n.Status)
	require.Equal(t, "bad_words", n.Reason.Code)
	busy := Notification{Status: Pending}.AfterDigest(Verdict{Status: Unknown, Class: ClassBusy, Error: "cut"}, noon)
	require.Equal(t, "robot_busy", busy.Reason.Code, "what else can go wrong is as it is with one word")
}
