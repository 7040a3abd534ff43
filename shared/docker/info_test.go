package docker_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An engine that answers all but /info is one that a plugin or a disk holds up.
// Its containers can be watched; for its clock and its id nobody waits for ever.
func TestAnEngineThatNeverAnswersInfo(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	e := open(t, proxy(t, func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	}))
	_, err := e.ID(t.Context())
	assertUnreachable(t, err, true)
	_, err = e.Clock(t.Context())
	assertUnreachable(t, err, true)
	now, err := e.Clock(t.Context())
	require.NoError(t, err, "the third time ours has to do")
	assert.WithinDuration(t, time.Now(), now, time.Second)
	began := time.Now()
	id, err := e.ID(t.Context())
	require.NoError(t, err)
	assert.Empty(t, id)
	assert.Less(t, time.Since(began), time.Second, "for a while it is not asked again")
	assert.EqualValues(t, 3, asked.Load())
}
