package engine

import (
	"slices"
	"strconv"
	"strings"

	"portolan/index"
)

// Order is what the rows of a [PortPage] are ordered by. Rows that are equal in it come by
// port, then type name, whichever way the order goes.
type Order uint8

// The orders.
const (
	ByPort   Order = iota // by port, then type name; descending is the exact reverse
	ByNum                 // by how many assets have the key open
	ByType                // by the name of the type
	ByStatus              // danger, normal, unknown

	numOrders = 4
)

var orderNames = [numOrders]string{"port", "num", "type", "status"}

const ordersAllowed = "port, num, type or status"

// String returns the order as the HTTP API writes it.
func (o Order) String() string {
	if o < numOrders {
		return orderNames[o]
	}
	return "Order(" + strconv.Itoa(int(o)) + ")"
}

// ParseOrder returns the order of that name, in any letter case. The error is a [*FieldError].
func ParseOrder(name string) (Order, error) {
	for o, known := range orderNames {
		if strings.EqualFold(known, name) {
			return Order(o), nil
		}
	}
	return ByPort, &FieldError{Field: "sort", Value: name, Allowed: ordersAllowed}
}

// rankingOf returns the query's order and bounds, without the classes of statuses. Plain says that
// there are none, as the order is that of keys.
func rankingOf(q *PortQuery) (r index.Ranking, plain bool, err error) {
	r = index.Ranking{Descending: q.Descending, Min: q.MinNum, Max: q.MaxNum}
	switch {
	case q.Order >= numOrders:
		err = &FieldError{Field: "sort", Value: q.Order.String(), Allowed: ordersAllowed}
	case q.MinNum < 0:
		err = &FieldError{Field: "min_num", Value: strconv.Itoa(q.MinNum), Allowed: "0 (any) or more"}
	case q.MaxNum < 0 || q.MaxNum > 0 && q.MaxNum < q.MinNum:
		err = &FieldError{Field: "max_num", Value: strconv.Itoa(q.MaxNum), Allowed: "0 (any), or min_num or more"}
	}
	switch q.Order {
	case ByPort:
	case ByNum:
		r.By = index.ByCount
	case ByType:
		r.By, r.Classes = index.ByClass, index.TypeClasses
	case ByStatus:
		r.By = index.ByClass
	}
	return r, r.By == index.ByPort && !r.Bounded(), err
}

// ranked fills a page in an order that is not that of keys, or whose counts are bounded.
func ranked(q *PortQuery, view index.View, v *verdict, r *index.Ranking, page *PortPage) {
	end := index.MaxKeys
	if q.Limit > 0 {
		end = min(q.Offset, index.MaxKeys) + min(q.Limit, index.MaxKeys)
	}
	keys, total := view.Rank(r, end)
	keys = keys[:min(end, len(keys))]
	keys = keys[min(q.Offset, len(keys)):]
	page.Total, page.Rows = total, slices.Grow(page.Rows, len(keys))
	for _, k := range keys {
		page.Rows = append(page.Rows, v.portCount(view.Count(k), k))
	}
}

func (v *verdict) portCount(n int, k Key) PortCount {
	return PortCount{Num: n, Port: k.Port(), Type: k.Type(), Status: v.status(k)}
}
