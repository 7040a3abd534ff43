package alerting

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNextSlot(t *testing.T) {
	var slots []Slot
	for i := range RobotBudget - 1 {
		slots = append(slots, Slot{Until: noon.Add(time.Duration(i+1) * time.Second)})
	}
	assert.True(t, NextSlot(slots, noon).IsZero(), "18 are used")
	slots = append(slots, Slot{Until: noon})
	assert.True(t, NextSlot(slots, noon).IsZero(), "the 19th is free by now")
	slots = append(slots, Slot{Until: noon.Add(time.Hour)})
	assert.Equal(t, noon.Add(time.Second), NextSlot(slots, noon), "when the first is")
}

// TestNoWindowSeesA20th: whoever asks NextSlot before each message, and frees
// the slot SlotLife after the answer, however late that is, never sends more
// than 19 within any 60 seconds, wherever the far end lets a window begin.
func TestNoWindowSeesA20th(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		var slots []Slot
		var arrivals []time.Time
		for now := noon; now.Before(noon.Add(10 * time.Minute)); {
			if at := NextSlot(slots, now); at.After(now) {
				now = at
				continue
			}
			answer := now.Add(time.Duration(random.IntN(1+int(seed)*200)) * time.Millisecond)
			arrivals = append(arrivals, now.Add(time.Duration(random.Float64()*float64(answer.Sub(now)))))
			slots = append(slots, Slot{Until: answer.Add(SlotLife)})
			now = answer.Add(time.Duration(random.IntN(300)) * time.Millisecond)
		}
		slices.SortFunc(arrivals, time.Time.Compare)
		for i := RobotBudget; i < len(arrivals); i++ {
			require.Greater(t, arrivals[i].Sub(arrivals[i-RobotBudget]), time.Minute, "seed %d", seed)
		}
		require.Greater(t, len(arrivals), RobotBudget)
	}
}
