package doctor_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"trade-monitor/local/doctor"
)

func TestChecksRunSideBySideAndAreToldInOrder(t *testing.T) {
	slow := func(context.Context) []doctor.Finding {
		time.Sleep(200 * time.Millisecond)
		return []doctor.Finding{doctor.Good("ok")}
	}
	stubborn := func(context.Context) []doctor.Finding { select {} }
	bad := func(context.Context) []doctor.Finding {
		return []doctor.Finding{{Level: doctor.Warning, What: "odd", Mend: "look"}, {Level: doctor.Failed, What: "broken", Mend: "mend it"}}
	}
	var out bytes.Buffer
	begun := time.Now()
	counts := doctor.Examine(t.Context(), []doctor.Check{{Name: "a", Look: slow}, {Name: "b", Look: slow}, {Name: "c", Look: stubborn}, {Name: "d", Look: bad}},
		300*time.Millisecond, func(name string, f doctor.Finding) { doctor.Print(&out, name, f) })
	assert.Less(t, time.Since(begun), 3*time.Second, "one that hangs is given up")
	assert.Equal(t, [3]int{2, 1, 2}, counts)
	assert.Regexp(t, `^✓ a: ok\n✓ b: ok\n✗ c: 300ms 内没有结果.*\n    处理 \(mend\): .*\n! d: odd\n    处理 \(mend\): look\n✗ d: broken\n    处理 \(mend\): mend it\n$`, out.String())
}
