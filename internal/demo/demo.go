package demo

import (
	"context"
	"fmt"
	"os"

	"github.com/aksess/aksess/internal/app"
	"github.com/aksess/aksess/internal/azapi"
)

// Options of a demo.
type Options struct {
	Config      app.Config                                     // of the local Azure, Observe aside
	Application string                                         // path of the sample application
	Environ     func(a *app.App) (environ []string, err error) // environment of the application: this machine's, with proxy and trust
	Step        func(Step)                                     // called as each link was seen
	Break       func(Break)                                    // called as each break was refused
}

// Run starts a local Azure, walks the scenario and breaks it. The caller closes
// the returned App; it is nil only when it could not be started.
func Run(ctx context.Context, o Options) (*app.App, Report, error) {
	t := &trail{}
	o.Config.Observe = func(e azapi.Event) { t.observe(e) }
	a, err := app.Open(ctx, o.Config)
	if err != nil {
		return nil, Report{}, err
	}
	if err := a.Start(context.WithoutCancel(ctx)); err != nil {
		return a, Report{}, err
	}
	report, err := run(ctx, o, a, t)
	return a, report, err
}

func run(ctx context.Context, o Options, a *app.App, t *trail) (Report, error) {
	c, err := newClient(a)
	if err != nil {
		return Report{}, err
	}
	s, err := create(ctx, c, a.Account)
	if err != nil {
		return Report{}, fmt.Errorf("creating the scenario's resources: %w", err)
	}
	dir, err := os.MkdirTemp("", "aksess-demo-")
	if err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(dir)
	environ, err := o.Environ(a)
	if err != nil {
		return Report{}, err
	}
	application := &application{path: o.Application, environ: environ, dir: dir}
	if err := application.prepare(s); err != nil {
		return Report{}, err
	}
	w, err := newWalk(s, application, t)
	if err != nil {
		return Report{}, err
	}
	return w.run(ctx, o)
}

func (w *walk) run(ctx context.Context, o Options) (Report, error) {
	report := Report{OK: true}
	add := func(step Step) {
		report.Steps = append(report.Steps, step)
		report.OK = report.OK && step.OK
		o.Step(step)
	}
	for _, walkStep := range w.steps() {
		step, err := walkStep(ctx)
		if err != nil {
			return report, err
		}
		add(step)
	}
	add(dataStep(w.trail.result))
	for _, d := range w.damages() {
		b, err := w.breakOnce(ctx, d)
		if err != nil {
			return report, fmt.Errorf("breaking the chain (%s): %w", d.name, err)
		}
		report.Breaks = append(report.Breaks, b)
		report.OK = report.OK && b.OK
		o.Break(b)
	}
	return report, nil
}
