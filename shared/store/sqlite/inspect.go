package sqlite

import (
	"fmt"
	"os"
	"path/filepath"

	"trade-monitor/shared/store"
)

// Inspect opens the database for reading alone, also while the service has it:
// it takes no lock, creates and migrates nothing. An error that is
// fs.ErrNotExist: there is no database yet.
func Inspect(o Options) (*store.Store, error) {
	file := filepath.Join(o.Dir, "trade-monitor.db")
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	db, err := openFile(file, "mode=ro&_pragma=query_only(1)&_pragma=busy_timeout(2000)", 2)
	if err != nil {
		return nil, err
	}
	return store.New(store.Options{Writer: db, Dialect: dialect(), Version: Version, Policy: o.Policy, Location: o.Location, Now: o.Now, Log: o.Log}), nil
}
