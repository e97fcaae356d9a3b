package bare

import (
	"os"
	"testing"
)

func TestProcessUsageIsFine(t *testing.T) {
	cpu, rss := processUsage(os.Getpid())
	if cpu <= 0 || cpu > 600 || rss < 1<<20 {
		t.Errorf("this process: %v s, %d bytes", cpu, rss)
	}
	if cpu, rss := processUsage(1 << 30); cpu != 0 || rss != 0 {
		t.Errorf("no process: %v s, %d bytes", cpu, rss)
	}
}
