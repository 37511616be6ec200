package fleet

import (
	"iter"
	"math/rand/v2"

	"portolan/engine"
	"portolan/index"
)

// The law of [Containers].
const (
	containerImages = 40
	containerOdd    = 0.01 // of the copies have one port more
)

// Containers is a cluster of few images and very many copies of them. A
// container runs one of 40 images, by Zipf's law, and has its image's 1 to 4
// ports; one of a hundred has an ephemeral port more. Copies share their
// image's name and key slice. There are ten enterprise projects, one per
// namespace, and an image runs in one of them. Containers come and go by the
// minute: a caller that wants it so removes them.
func Containers(seed uint64, containers int) iter.Seq[engine.Report] {
	return func(yield func(engine.Report) bool) {
		law := newContainerLaw(newRand(seed, "pods"))
		for i := range containers {
			if !yield(law.report(i)) {
				return
			}
		}
	}
}

type containerLaw struct {
	rng    *rand.Rand
	images []image
}

type image struct {
	name, group string
	open        []index.Key
}

func newContainerLaw(rng *rand.Rand) *containerLaw {
	l := &containerLaw{rng: rng, images: make([]image, containerImages)}
	ranked, groups := popularKeys(containerImages*4), names("space", 10)
	for i, name := range names("image", containerImages) {
		first := rng.IntN(len(ranked) - 4)
		l.images[i] = image{name, groups[rng.IntN(len(groups))], ranked[first : first+1+rng.IntN(4)]}
	}
	return l
}

func (l *containerLaw) report(i int) engine.Report {
	img := &l.images[logUniform(l.rng, 1, len(l.images)+1)-1]
	return engine.Report{
		Project: Project, Category: engine.Container,
		Asset: randomID(l.rng), Name: img.name, EnterpriseProject: img.group,
		Address: ipv4(100<<24 | 64<<16 | uint32(i)&0x3fffff),
		Seen:    within(l.rng),
		Scope:   engine.ScopeAll(),
		Open:    l.open(img),
	}
}

func (l *containerLaw) open(img *image) []index.Key {
	if l.rng.Float64() >= containerOdd {
		return img.open
	}
	odd := append(make([]index.Key, 0, len(img.open)+1), img.open...)
	return append(odd, index.MakeKey(ephemeralPort(l.rng), index.TCP))
}
