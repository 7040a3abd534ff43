package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trade-monitor/functions/alerts"
	"trade-monitor/shared/config"
	"trade-monitor/shared/httpapi/contract"
)

func TestTheServiceAnswersWhatTheContractSays(t *testing.T) {
	all := routes(config.Config{}, database{}, health{}, newMetrics(), alerts.Robots{}, &watches{})
	require.ElementsMatch(t, contract.Load(t).Operations(), contract.Routes(all...))
}
