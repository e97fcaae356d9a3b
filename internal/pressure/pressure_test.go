package pressure

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const meminfo = "MemTotal:       24683656 kB\nMemFree:        19257060 kB\nMemAvailable:   24039620 kB\nBuffers:           79620 kB\n"

func TestRead(t *testing.T) {
	t.Parallel()
	const machine = 24683656 << 10
	const available = 24039620 << 10
	for name, tc := range map[string]struct {
		files map[string]string
		want  Reading
	}{
		"no PSI": {map[string]string{"proc/meminfo": meminfo}, Reading{Total: machine, Available: available}},
		"the machine's": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/user.slice\n", "sys/fs/cgroup/user.slice/memory.max": "max\n",
			"proc/pressure/memory": "some avg10=12.50 avg60=0.00 avg300=0.00 total=18736906\nfull avg10=3.25 avg60=0.00 avg300=0.00 total=10174701\n",
		}, Reading{Total: machine, Available: available, PSI: true, Some: 12.5, Full: 3.25}},
		"a group's, from above": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/box/carrel\n", "proc/pressure/memory": "some avg10=50.00 x\n",
			"sys/fs/cgroup/box/memory.max": "1000\n", "sys/fs/cgroup/box/memory.current": "900\n", "sys/fs/cgroup/box/memory.stat": "anon 5\ninactive_file 300\n",
			"sys/fs/cgroup/box/memory.pressure": "some avg10=1.00 avg60=0.00 avg300=0.00 total=1\n",
		}, Reading{Total: 1000, Available: 400, PSI: true, Some: 1}},
		"version 1": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/a\n4:memory,hugetlb:/docker/x\n", "proc/pressure/memory": "some avg10=2.00\n",
			"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "2000\n", "sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": "500\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "500\n",
		}, Reading{Total: 2000, Available: 1500, PSI: true, Some: 2}},
		"nonsense": {map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "x\n0::/../..\n", "proc/pressure/memory": "some avg10=NaN\nfull avg10\n",
		}, Reading{Total: machine, Available: available, PSI: true}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range tc.files {
				p := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Gauge{Root: root}.Read()
			if err != nil || got != tc.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
}

func TestReadNothing(t *testing.T) {
	t.Parallel()
	_, err := Gauge{Root: t.TempDir()}.Read()
	if err == nil || !strings.Contains(err.Error(), "measure memory") {
		t.Fatalf("got %v", err)
	}
}

// TestReadThisMachine: what the kernel really has is read.
func TestReadThisMachine(t *testing.T) {
	t.Parallel()
	r, err := Gauge{}.Read()
	if err != nil || r.Total <= 0 || r.Available <= 0 || r.Available > r.Total {
		t.Fatalf("got %+v, %v", r, err)
	}
}
