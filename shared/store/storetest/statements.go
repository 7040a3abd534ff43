package storetest

import (
	"testing"
)

// Listen has the server keep every statement that it is sent from now on.
func (d Database) Listen(t testing.TB) {
	t.Helper()
	_, err := d.Admin(t, "").Exec("SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log = ON")
	if err != nil {
		t.Fatalf("listen to the statements: %v", err)
	}
}

// Heard gives every different statement that the service's user has sent since
// Listen, and ends it.
func (d Database) Heard(t testing.TB) []string {
	t.Helper()
	root := d.Admin(t, "")
	if _, err := root.Exec("SET GLOBAL general_log = OFF"); err != nil {
		t.Fatalf("end listening: %v", err)
	}
	rows, err := root.Query("SELECT DISTINCT argument FROM mysql.general_log WHERE command_type IN ('Query', 'Prepare', 'Execute') AND user_host LIKE ?", d.User+"%")
	if err != nil {
		t.Fatalf("read what was heard: %v", err)
	}
	defer rows.Close()
	var heard []string
	for rows.Next() {
		var statement string
		if err := rows.Scan(&statement); err != nil {
			t.Fatalf("read what was heard: %v", err)
		}
		heard = append(heard, statement)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("read what was heard: %v", err)
	}
	return heard
}
