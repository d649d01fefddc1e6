// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package world

import "strconv"

// AppendMessage appends the message in which an analyzer reports the connections
// from id on, n of them, for the given round. Its fields, their order and what is left
// out are those of the recordings in bridge/skydive/testdata: a flow is about 800 bytes.
func (w *World) AppendMessage(dst []byte, id, n, round int) []byte {
	dst = append(dst, `{"Namespace":"flow","Type":"store","UUID":"7885224b-a48b-4967-aa66-7547e5e931e2","Status":200,"Obj":[`...)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendFlow(dst, id+i, round)
	}
	return append(dst, "]}"...)
}

func (w *World) appendFlow(dst []byte, id, round int) []byte {
	c, r := w.connection(id), w.report(id, round)
	dst = append(dst, `{"UUID":"`...)
	dst = strconv.AppendUint(dst, c.uuid, 16)
	dst = append(dst, `","LayersPath":"Ethernet/IPv4/TCP","Application":"TCP","Link":{"Protocol":"ETHERNET","A":"fe:a9:81:8e:96:84","B":"0e:4e:ca:c3:18:23","ID":0},"Network":{"Protocol":"IPV4","A":"`...)
	dst = appendClient(dst, c.a)
	dst = append(dst, `","B":"`...)
	dst = appendServer(dst, c.b)
	dst = append(dst, `","ID":0},"Transport":{"Protocol":"TCP","A":`...)
	dst = strconv.AppendInt(dst, c.port, 10)
	dst = append(dst, `,"B":443,"ID":0},"LastUpdateMetric":`...)
	dst = appendMetric(dst, &r.last, r.start, r.end, r.rtt)
	dst = append(dst, `,"Metric":`...)
	dst = appendMetric(dst, &r.metric, w.Begin, r.end, r.rtt)
	dst = append(dst, `,"Start":`...)
	dst = strconv.AppendInt(dst, w.Begin, 10)
	dst = append(dst, `,"Last":`...)
	dst = strconv.AppendInt(dst, r.end, 10)
	dst = append(dst, `,"TrackingID":"`...)
	dst = strconv.AppendUint(dst, c.tracking, 16)
	dst = append(dst, `","L3TrackingID":"`...)
	dst = strconv.AppendUint(dst, mix(c.tracking), 16)
	dst = append(dst, `","ParentUUID":"","NodeTID":"`...)
	dst = appendNode(dst, c.node)
	return append(dst, `","CaptureID":"`+capture+`","RawPacketsCaptured":0}`...)
}

func appendMetric(dst []byte, m *[4]int64, start, last, rtt int64) []byte {
	for i, name := range [...]string{`{"ABPackets":`, `,"ABBytes":`, `,"BAPackets":`, `,"BABytes":`} {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, m[i], 10)
	}
	dst = append(dst, `,"Start":`...)
	dst = strconv.AppendInt(dst, start, 10)
	dst = append(dst, `,"Last":`...)
	dst = strconv.AppendInt(dst, last, 10)
	dst = append(dst, `,"RTT":`...)
	dst = strconv.AppendInt(dst, rtt, 10)
	return append(dst, '}')
}
