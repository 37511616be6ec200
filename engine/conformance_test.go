package engine_test

import (
	"testing"
	"time"

	"portolan/engine"
	"portolan/engine/enginetest"
)

func open(t *testing.T) enginetest.Open {
	return func(opts *engine.Options) enginetest.Engine {
		e, err := engine.Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

func TestConformance(t *testing.T) { enginetest.Run(t, open(t)) }

func TestModel(t *testing.T) {
	enginetest.Model(t, open(t))
}

func TestModelExpiring(t *testing.T) {
	enginetest.ModelExpiring(t, open(t))
}

// TestConformanceJournaled runs the suite with a journal behind the engine.
func TestConformanceJournaled(t *testing.T) { enginetest.Run(t, enginetest.Journaled(t)) }

// TestConformanceLagging runs the suite with engines that commit what is visible already.
func TestConformanceLagging(t *testing.T) {
	journaled := enginetest.Journaled(t)
	enginetest.Run(t, func(opts *engine.Options) enginetest.Engine {
		var lagging engine.Options
		if opts != nil {
			lagging = *opts
		}
		lagging.DurableWithin = time.Millisecond
		return journaled(&lagging)
	})
}

// onlyInFull skips a test that is run at full length only: the model tests restart, too.
func onlyInFull(t *testing.T) {
	t.Helper()
	if !enginetest.Full() {
		t.Skip("takes ten seconds: set PORTOLAN_FULL to run it")
	}
}

// TestConformanceRestarted runs the suite with engines that are cut at every write:
// whatever the history, what an engine has committed is all that its answers, now and
// later, depend on.
func TestConformanceRestarted(t *testing.T) {
	onlyInFull(t)
	enginetest.Run(t, enginetest.Restarted(t, false))
}

// TestConformanceImaged runs the suite with engines that are loaded from images.
func TestConformanceImaged(t *testing.T) {
	onlyInFull(t)
	enginetest.Run(t, enginetest.Restarted(t, true))
}

func TestModelImaged(t *testing.T) {
	enginetest.ModelExpiring(t, enginetest.Restarted(t, true))
}

func TestModelRestarted(t *testing.T) {
	enginetest.Model(t, enginetest.Restarted(t, false))
}
