package webhook

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadLimits(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  limits
	}{
		{"none", nil, limits{}},
		{"version_2", map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "31457280\n", "sys/fs/cgroup/a/b/cpu.max": "10000 100000\n"}, limits{31457280, 0.1}},
		{"version_2_in_a_container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "31457280\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, limits{31457280, 0}},
		{"version_2_unlimited", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, limits{}},
		{"version_1", map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/x\n3:memory:/pod\n", "sys/fs/cgroup/memory/pod/memory.limit_in_bytes": "1000\n",
			"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "150000\n", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
		}, limits{1000, 1.5}},
		{"version_1_in_a_container", map[string]string{"proc/self/cgroup": "3:memory:/pod\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n"}, limits{1000, 0}},
		{"version_1_unlimited", map[string]string{
			"proc/self/cgroup": "4:cpu:/\n3:memory:/\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, limits{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range test.files {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := readLimits(root); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestProcessors(t *testing.T) {
	for _, test := range []struct {
		cpu             float64
		available, want int
	}{{0.1, 8, 1}, {1, 8, 1}, {1.5, 8, 2}, {16, 64, 4}, {0, 64, 4}, {0, 1, 1}, {2, 1, 1}} {
		if got := (limits{cpu: test.cpu}).processors(test.available); got != test.want {
			t.Errorf("%v of %d: got %d, want %d", test.cpu, test.available, got, test.want)
		}
	}
}
