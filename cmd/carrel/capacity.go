package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/carrel-dev/carrel/internal/config"
	"github.com/carrel-dev/carrel/internal/pool"
	"github.com/carrel-dev/carrel/internal/pressure"
	"github.com/carrel-dev/carrel/internal/push"
	"github.com/carrel-dev/carrel/internal/runtime"
	"github.com/carrel-dev/carrel/internal/timetable"
)

// lines is the timetable as the settings have it.
func lines(warm []config.Warm) []timetable.Line {
	out := make([]timetable.Line, 0, len(warm))
	for _, w := range warm {
		out = append(out, timetable.Line{Schedule: w.Schedule, Users: w.Users, Ahead: w.Ahead})
	}
	return out
}

// capacity is what GET /readyz tells of the pool. A server that is full serves.
func capacity(f pool.Figures) []runtime.Finding {
	memory := runtime.Finding{Name: "memory", State: "ok", Detail: f.Memory}
	if !f.MemoryOK {
		memory.State = "warn"
	}
	line := runtime.Finding{Name: "places", State: "ok", Detail: fmt.Sprintf("Claude processes: %d, of as many as the memory holds.", f.Held)}
	if f.Places > 0 {
		line.Detail = fmt.Sprintf("Claude processes: %d of %d.", f.Held, f.Places)
	}
	if f.Waiting > 0 {
		line.State = "warn"
		line.Detail += fmt.Sprintf(" %d sessions wait in line, the first for %s.", f.Waiting, f.LongestWait.Round(time.Second))
		line.Remedy = "Raise pool.max_live_sessions if there is memory, or lower quota.live_sessions."
	}
	return []runtime.Finding{memory, line}
}

// examineMemory is what `carrel doctor` says of the machine's memory.
func examineMemory() runtime.Finding {
	f := runtime.Finding{Name: "memory", State: "ok"}
	r, err := pressure.Gauge{}.Read()
	switch {
	case err != nil:
		f.State, f.Detail = "warn", "It cannot be measured: Claude processes are bounded by pool.max_live_sessions alone."
		f.Remedy = "Set pool.max_live_sessions."
	case !r.PSI:
		f.State = "warn"
		f.Detail = fmt.Sprintf("%.1f GiB of %.1f GiB available. The kernel does not tell how long programs wait for memory (PSI): idle processes are given up by what is available alone.", gib(r.Available), gib(r.Total))
		f.Remedy = "Start the kernel with psi=1."
	default:
		f.Detail = fmt.Sprintf("%.1f GiB of %.1f GiB available; pressure is measured.", gib(r.Available), gib(r.Total))
	}
	return f
}

func gib(n int64) float64 { return float64(n) / (1 << 30) }

// metrics is for Prometheus.
func metrics(p *pool.Pool, notifications *push.Service) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &instanceCollector{pool: p})
	if notifications != nil {
		reg.MustRegister(notifications.Metrics())
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

var (
	descInstances = prometheus.NewDesc("carrel_instances", "Instances by status.", []string{"status"}, nil)
	descProcesses = prometheus.NewDesc("carrel_processes", "Processes of people, by kind.", []string{"kind"}, nil)
	descMemory    = prometheus.NewDesc("carrel_instances_memory_bytes", "Memory of all instances.", nil, nil)
	descHealth    = prometheus.NewDesc("carrel_instances_health", "Instances by health.", []string{"health"}, nil)
	descHeld      = prometheus.NewDesc("carrel_places_held", "Places for Claude processes that are held.", nil, nil)
	descPlaces    = prometheus.NewDesc("carrel_places", "Places for Claude processes that there may be (pool.max_live_sessions); 0: no bound but the memory.", nil, nil)
	descWaiting   = prometheus.NewDesc("carrel_queue_length", "Sessions that wait in line for a place.", nil, nil)
	descOldest    = prometheus.NewDesc("carrel_queue_oldest_seconds", "How long the first of them has waited.", nil, nil)
	descWait      = prometheus.NewDesc("carrel_queue_wait_seconds", "Waits for a place, from the wish to the gift.", nil, nil)
	descRefused   = prometheus.NewDesc("carrel_queue_refused_total", "Prompts refused because too many sessions of their user waited.", nil, nil)
	descEvicted   = prometheus.NewDesc("carrel_evictions_total", "Idle processes ended and instances hibernated, by reason.", []string{"reason"}, nil)
	descReplaced  = prometheus.NewDesc("carrel_replacements_total", "Instances that were lost or of another version and made anew, by reason.", []string{"reason"}, nil)
	descAvailable = prometheus.NewDesc("carrel_memory_available_bytes", "Memory that there is for more, of the machine or the control group around Carrel.", nil, nil)
	descPressure  = prometheus.NewDesc("carrel_memory_pressure_ratio", "Part of the last ten seconds in which programs waited for memory: some of them, or all.", []string{"kind"}, nil)
	descTight     = prometheus.NewDesc("carrel_memory_tight", "1 while memory is short and idle processes are given up.", nil, nil)
)

// instanceCollector counts at the time of the question.
type instanceCollector struct{ pool *pool.Pool }

func (c *instanceCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descInstances, descProcesses, descMemory, descHealth, descHeld, descPlaces, descWaiting, descOldest,
		descWait, descRefused, descEvicted, descReplaced, descAvailable, descPressure, descTight} {
		ch <- d
	}
}

func (c *instanceCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	status, kind, health, memory := map[string]int{}, map[string]int{}, map[string]int{}, int64(0)
	for _, st := range c.pool.All(ctx) {
		status[st.Status]++
		health[st.Health.Status]++
		memory += st.Usage.MemoryBytes
		for _, p := range st.Processes {
			kind[p.Kind]++
		}
	}
	for k, n := range status {
		ch <- prometheus.MustNewConstMetric(descInstances, prometheus.GaugeValue, float64(n), k)
	}
	for k, n := range kind {
		ch <- prometheus.MustNewConstMetric(descProcesses, prometheus.GaugeValue, float64(n), k)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(descMemory, float64(memory))
	for k, n := range health {
		gauge(descHealth, float64(n), k)
	}
	f := c.pool.Figures()
	gauge(descHeld, float64(f.Held))
	gauge(descPlaces, float64(f.Places))
	gauge(descWaiting, float64(f.Waiting))
	gauge(descOldest, f.LongestWait.Seconds())
	ch <- prometheus.MustNewConstSummary(descWait, f.Waits, f.WaitSeconds, nil)
	ch <- prometheus.MustNewConstMetric(descRefused, prometheus.CounterValue, float64(f.Refused))
	for why, n := range f.Evictions {
		ch <- prometheus.MustNewConstMetric(descEvicted, prometheus.CounterValue, float64(n), why)
	}
	for why, n := range f.Replacements {
		ch <- prometheus.MustNewConstMetric(descReplaced, prometheus.CounterValue, float64(n), why)
	}
	gauge(descAvailable, float64(f.Available))
	gauge(descPressure, f.Some/100, "some")
	gauge(descPressure, f.Full/100, "full")
	tight := 0.0
	if f.Tight {
		tight = 1
	}
	gauge(descTight, tight)
}
