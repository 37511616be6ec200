package server

import (
	"portolan/engine"
)

// assetParams is the query of the calls that name assets.
type assetParams struct {
	hostID, hostName, hostIP, port, typ, status param
	enterpriseProject, limit, offset, category  param
}

const numAssetParams = 10

// named returns the parameter with the name, nil if there is none: unknown ones
// are ignored.
func (p *assetParams) named(name string) *param {
	switch name {
	case "host_id":
		return &p.hostID
	case "host_name":
		return &p.hostName
	case "host_ip":
		return &p.hostIP
	case "port":
		return &p.port
	case "type":
		return &p.typ
	case "status":
		return &p.status
	case "enterprise_project_id":
		return &p.enterpriseProject
	case "limit":
		return &p.limit
	case "offset":
		return &p.offset
	case "category":
		return &p.category
	}
	return nil
}

// read takes the parameters out of a query.
func (p *assetParams) read(query string) {
	for name, sent := range pairs(query) {
		if to := p.named(name); to != nil {
			to.set(sent.text, sent.malformed)
		}
	}
}

// check refuses what is malformed or too long.
func (p *assetParams) check() error {
	for _, c := range [numAssetParams]struct {
		name string
		most int
	}{
		{"host_id", engine.MaxAssetLen},
		{"host_name", maxText},
		{"host_ip", maxText},
		{"port", 0},
		{"type", maxText},
		{"status", maxText},
		{"enterprise_project_id", maxGroupText},
		{"limit", 0},
		{"offset", 0},
		{"category", maxText},
	} {
		if err := p.named(c.name).fits(c.name, c.most); err != nil {
			return err
		}
	}
	return nil
}

// query returns what the parameters ask, without project and view. The required
// one must be there; allowed says what it may be.
func (p *assetParams) query(required, allowed string) (q engine.HostQuery, err error) {
	if err := p.check(); err != nil {
		return q, err
	}
	if p.named(required).text == "" {
		return q, &engine.FieldError{Field: required, Allowed: allowed}
	}
	q.Asset = p.hostID.text
	q.Name, q.Address = p.contains()
	if q.Port, err = p.port.exactPort("port"); err != nil {
		return q, err
	}
	if q.Limit, err = p.limit.between("limit", defaultPageLimit, minLimit, maxLimit); err != nil {
		return q, err
	}
	if q.Offset, err = p.offset.between("offset", 0, 0, maxOffset); err != nil {
		return q, err
	}
	if q.Category, err = engine.ParseCategory(p.category.text); err != nil {
		return q, err
	}
	q.Status, err = p.status.exactStatus()
	return q, err
}
