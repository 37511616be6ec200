package server

import (
	"math"
	"strconv"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"portolan/server/auth"
)

// maxLimited is how many callers' limits are remembered. Whoever is forgotten
// starts afresh, which only the callers after so many others can use.
const maxLimited = 1 << 16

// limiter holds callers to a number of requests in a second.
type limiter struct {
	perSecond int
	callers   *lru.Cache[callerID, *rate.Limiter]
}

// callerID tells callers apart.
type callerID struct{ source, name string }

func newLimiter(perSecond int) *limiter {
	if perSecond == 0 {
		return nil
	}
	callers, err := lru.New[callerID, *rate.Limiter](maxLimited)
	if err != nil {
		panic("server: " + err.Error()) // only a size below 1 is wrong
	}
	return &limiter{perSecond: perSecond, callers: callers}
}

// admit counts a request of the caller; the error is that of one too many.
func (l *limiter) admit(caller *auth.Caller) error {
	if l == nil {
		return nil
	}
	bucket := l.of(idOf(caller))
	if bucket.Allow() {
		return nil
	}
	wait := bucket.Reserve()
	defer wait.Cancel()
	return &failure{
		kind: throttled, detail: "policy user over ratelimit,limit:" + strconv.Itoa(l.perSecond) + ",time:1 second",
		retry: max(1, int(math.Ceil(wait.Delay().Seconds()))),
	}
}

func (l *limiter) of(id callerID) *rate.Limiter {
	if bucket, ok := l.callers.Get(id); ok {
		return bucket
	}
	bucket := rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond)
	if other, found, _ := l.callers.PeekOrAdd(id, bucket); found {
		return other
	}
	return bucket
}
