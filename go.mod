module trade-monitor

go 1.26
