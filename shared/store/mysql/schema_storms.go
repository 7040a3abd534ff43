package mysql

// messageColumns are those that migration 4 adds to alert_messages: what a
// message carries, by which it uses its part of the budget. Messages of an
// older version have no kind.
var messageColumns = []column{
	{"kind", "VARCHAR(20) DEFAULT NULL"},
	{"words", "INT NOT NULL DEFAULT 1"},
}

// robotColumns are those that it adds to alert_robots: since when there is a
// storm whose end was not told, and the group that is told.
var robotColumns = []column{
	{"storm_us", micro},
	{"storm_group", micro},
}
