// Copyright The skybridge Authors
// SPDX-License-Identifier: Apache-2.0

package prometheus_test

// stories are what alerts are tried on. Series begin at minute 0 of an hour; the time
// of the evaluation is the Unix time, so that time stamps are seconds from 0 too.
var stories = []story{
	{
		name: "all is well",
		series: []string{
			`up{J} 1x60`,
			`process_start_time_seconds{J} 0x60`,
			`skybridge_ticks_total{J} 0+4x60`,
			`skybridge_clock_wait_seconds{J} 0x60`,
			`skybridge_clock_steps_total{J,direction="forward"} 0x60`,
			`skybridge_config_last_reload_successful{J} 1x60`,
			`skybridge_http_panics_total{J} 0x60`,
			`skybridge_feed_connected{J,analyzer="ws://a"} 1x60`,
			`skybridge_feed_last_message_timestamp_seconds{J,analyzer="ws://a"} 0+60x60`,
			`skybridge_reconnects_total{J,analyzer="ws://a",reason="silent"} 0x60`,
			`skybridge_messages_shed_total{J} 0x60`,
			`skybridge_records_skipped_total{J,reason="malformed_flow"} 0x60`,
			`skybridge_records_skipped_total{J,reason="no_transport"} 0+99x60`,
			`skybridge_topology_last_success_timestamp_seconds{J,analyzer="ws://a"} 0+60x60`,
			`skybridge_topology_requests_total{J,analyzer="ws://a",result="ok"} 0+3x60`,
			`skybridge_topology_requests_total{J,analyzer="ws://a",result="timeout"} 0x60`,
			`skybridge_series{J} 500x60`,
			`skybridge_series_limit{J} 1000x60`,
			`skybridge_overflow_bytes_total{J,reason="max_series"} 0x60`,
			`skybridge_overflow_bytes_total{J,reason="top_k"} 0+5000x60`,
			`skybridge_flows_evicted_total{J,reason="max_flows"} 0x60`,
			`skybridge_flows_evicted_total{J,reason="ended"} 0+9x60`,
			`prometheus_remote_storage_queue_highest_timestamp_seconds{JR} 0+60x60`,
			`prometheus_remote_storage_queue_highest_sent_timestamp_seconds{JR} -30+60x60`,
			`prometheus_remote_storage_samples_total{JR} 0+1000x60`,
			`prometheus_remote_storage_samples_pending{JR} 500x60`,
			`prometheus_remote_storage_samples_failed_total{JR} 0x60`,
			`prometheus_remote_storage_samples_dropped_total{JR,reason="log_full"} 0x60`,
			`prometheus_remote_storage_samples_dropped_total{JR,reason="dropped_series"} 0+10x60`,
			`prometheus_remote_storage_samples_dropped_total{JR,reason="relabel_collision"} 0x60`,
			`skybridge_lost_series_total{JR,reason="too_old"} 0x60`,
			`skybridge_log_disk_bytes{J} 700x60`,
			`skybridge_log_bytes{J} 2000x60`,
			`skybridge_log_limit_bytes{J} 1000x60`,
			`skybridge_exactness_suspended{J} 0x60`,
			`skybridge_state_doubts_total{J} 0x60`,
			`skybridge_log_corruptions_total{J,what="tick"} 0x60`,
			`skybridge_log_corruptions_total{J,what="tail"} 1x60`,
			`skydive_capture_packets_dropped_total{capture_id="c"} 0+9x60`,
			`skydive_capture_packets_received_total{capture_id="c"} 0+1000x60`,
			`skydive_capture_flows_dropped_total{capture_id="c"} 0x60`,
			`skydive_capture_kernel_flows_dropped_total{capture_id="c"} 0x60`,
			`skydive_capture_flows{capture_id="c"} 1000x60`,
			`skydive_capture_flows_known{capture_id="c"} 1080x60`,
		},
		quiet: []string{
			"SkybridgeDown", "SkybridgeRestarts", "SkybridgeTicksStopped", "SkybridgeReloadFailed", "SkybridgeDefect",
			"SkybridgeClockStepped", "SkybridgeClockWaits", "SkybridgeNoFeed", "SkybridgeAnalyzerDown", "SkybridgeFeedSilent",
			"SkybridgeFeedReconnects", "SkybridgeMessagesShed", "SkybridgeRecordsSkipped", "SkybridgeTopologyStale", "SkybridgeSeriesNearBound",
			"SkybridgeBoundHit", "SkybridgeFlowsBoundHit", "SkybridgePushBehind", "SkybridgePushFailing", "SkybridgePushRefused",
			"SkybridgeDataDropped", "SkybridgeBytesLost", "SkybridgeSeriesCollide", "SkybridgeLogNearBound",
			"SkybridgeExactnessSuspended", "SkybridgeCountersBeganAnew", "SkybridgeLogDamaged",
			"SkydiveCaptureLosesPackets", "SkydiveCaptureLosesFlows", "SkydiveCaptureReportsLost",
		},
	},
	{
		name:   "the bridge is gone",
		series: []string{`up{J} 1x50 0x10`},
		fires:  []string{`SkybridgeDown{}`},
	},
	{
		name:   "a scrape or two fail",
		series: []string{`up{J} 1x20 0x3 1x30`},
		quiet:  []string{"SkybridgeDown"},
	},
	{
		name:   "it restarts every ten minutes",
		series: []string{`process_start_time_seconds{J} 0x10 600x10 1200x10 1800x10 2400x10 3000x10`},
		fires:  []string{`SkybridgeRestarts{}`},
	},
	{
		name:   "it is upgraded, and that is taken back",
		series: []string{`process_start_time_seconds{J} 0x20 1200x10 1800x40`},
		quiet:  []string{"SkybridgeRestarts"},
	},
	{
		name:   "ticks stop",
		series: []string{`skybridge_ticks_total{J} 0+4x30 120x30`, `skybridge_clock_wait_seconds{J} 0x60`},
		fires:  []string{`SkybridgeTicksStopped{}`},
	},
	{
		name:   "ticks stop because the clock was set back by an hour",
		series: []string{`skybridge_ticks_total{J} 0+4x30 120x30`, `skybridge_clock_wait_seconds{J} 0x30 3600-60x30`, `skybridge_clock_steps_total{J,direction="backward"} 0x50 1x10`},
		fires:  []string{`SkybridgeClockStepped{direction="backward"}`, `SkybridgeClockWaits{}`},
		quiet:  []string{"SkybridgeTicksStopped"},
	},
	{
		name:   "the clock makes a small step",
		series: []string{`skybridge_clock_wait_seconds{J} 0x30 5 0x20`, `skybridge_clock_steps_total{J,direction="forward"} 0x55 1x5`},
		fires:  []string{`SkybridgeClockStepped{direction="forward"}`},
		quiet:  []string{"SkybridgeClockWaits"},
	},
	{
		name:   "a reload fails",
		series: []string{`skybridge_config_last_reload_successful{J} 1x40 0x20`},
		fires:  []string{`SkybridgeReloadFailed{}`},
	},
	{
		name:   "a reload fails and the next one does not",
		series: []string{`skybridge_config_last_reload_successful{J} 1x40 0x3 1x20`},
		quiet:  []string{"SkybridgeReloadFailed"},
	},
	{
		name:   "a handler panics",
		series: []string{`skybridge_http_panics_total{J} 0x30 1x30`},
		fires:  []string{`SkybridgeDefect{}`},
	},
	{
		name: "one analyzer of two is down",
		series: []string{
			`skybridge_feed_connected{J,analyzer="ws://a"} 1x60`,
			`skybridge_feed_connected{J,analyzer="ws://b"} 1x40 0x20`,
		},
		fires: []string{`SkybridgeAnalyzerDown{analyzer="ws://b"}`},
		quiet: []string{"SkybridgeNoFeed"},
	},
	{
		name:   "the only analyzer is down",
		series: []string{`skybridge_feed_connected{J,analyzer="ws://a"} 1x40 0x20`},
		fires:  []string{`SkybridgeAnalyzerDown{analyzer="ws://a"}`, `SkybridgeNoFeed{}`},
	},
	{
		name:   "an analyzer comes and goes, and is mostly there",
		series: []string{`skybridge_feed_connected{J,analyzer="ws://a"} 1x5 0x3 1x5 0x3 1x5 0x3 1x30`},
		quiet:  []string{"SkybridgeAnalyzerDown", "SkybridgeNoFeed"},
	},
	{
		name: "a feed falls silent",
		series: []string{
			`skybridge_feed_connected{J,analyzer="ws://a"} 1x60`,
			`skybridge_feed_last_message_timestamp_seconds{J,analyzer="ws://a"} 0+60x40 2400x20`,
		},
		fires: []string{`SkybridgeFeedSilent{analyzer="ws://a"}`},
	},
	{
		name: "a feed is silent because its analyzer is down",
		series: []string{
			`skybridge_feed_connected{J,analyzer="ws://a"} 1x40 0x20`,
			`skybridge_feed_last_message_timestamp_seconds{J,analyzer="ws://a"} 0+60x40 2400x20`,
		},
		fires: []string{`SkybridgeAnalyzerDown{analyzer="ws://a"}`, `SkybridgeNoFeed{}`},
		quiet: []string{"SkybridgeFeedSilent"},
	},
	{
		name: "another subscriber comes and goes every ten minutes",
		series: []string{
			`skybridge_reconnects_total{J,analyzer="ws://a",reason="silent"} 0x10 1x10 2x10 3x10 4x10 5x10`,
			`skybridge_reconnects_total{J,analyzer="ws://b",reason="silent"} 0x60`,
			`skybridge_reconnects_total{J,analyzer="ws://b",reason="refused"} 0+1x60`,
		},
		fires: []string{`SkybridgeFeedReconnects{analyzer="ws://a", reason="silent"}`},
	},
	{
		name:   "another subscriber is restarted once",
		series: []string{`skybridge_reconnects_total{J,analyzer="ws://a",reason="silent"} 0x30 1x2 2x28`},
		quiet:  []string{"SkybridgeFeedReconnects"},
	},
	{
		name:   "messages are shed",
		series: []string{`skybridge_messages_shed_total{J} 0x50 20x10`},
		fires:  []string{`SkybridgeMessagesShed{}`},
	},
	{
		name: "records cannot be read",
		series: []string{
			`skybridge_records_skipped_total{J,reason="malformed_flow"} 0x40 0+2x20`,
			`skybridge_records_skipped_total{J,reason="no_transport"} 0+99x60`,
		},
		fires: []string{`SkybridgeRecordsSkipped{reason="malformed_flow"}`},
	},
	{
		name: "an analyzer stops telling its topology",
		series: []string{
			`skybridge_topology_last_success_timestamp_seconds{J,analyzer="ws://a"} 0+60x30 1800x30`,
			`skybridge_topology_requests_total{J,analyzer="ws://a",result="timeout"} 0x30 0+1x30`,
		},
		fires: []string{`SkybridgeTopologyStale{analyzer="ws://a"}`},
	},
	{
		name:   "an analyzer never told its topology",
		series: []string{`skybridge_topology_requests_total{J,analyzer="ws://a",result="unauthorized"} 0+1x60`},
		fires:  []string{`SkybridgeTopologyStale{analyzer="ws://a"}`},
	},
	{
		name:   "series grow",
		series: []string{`skybridge_series{J} 0+20x60`, `skybridge_series_limit{J} 1000x60`},
		fires:  []string{`SkybridgeSeriesNearBound{}`},
	},
	{
		name:   "a bound is hit, and top_k folds as it should",
		series: []string{`skybridge_overflow_bytes_total{J,reason="max_series_per_node"} 0x40 0+600x20`, `skybridge_overflow_bytes_total{J,reason="top_k"} 0+600x60`},
		fires:  []string{`SkybridgeBoundHit{reason="max_series_per_node"}`},
	},
	{
		name:   "flows are forgotten",
		series: []string{`skybridge_flows_evicted_total{J,reason="max_flows"} 0x40 0+600x20`},
		fires:  []string{`SkybridgeFlowsBoundHit{reason="max_flows"}`},
	},
	{
		name: "a receiver is down",
		series: []string{
			`prometheus_remote_storage_queue_highest_timestamp_seconds{JR} 0+60x60`,
			`prometheus_remote_storage_queue_highest_sent_timestamp_seconds{JR} 0+60x30 1800x30`,
			`prometheus_remote_storage_samples_total{JR} 0+1000x30 30000x30`,
			`prometheus_remote_storage_samples_pending{JR} 0x30 0+1000x30`,
		},
		fires: []string{`SkybridgePushBehind{remote_name="mimir", url="https://mimir/push"}`, `SkybridgePushFailing{remote_name="mimir", url="https://mimir/push"}`},
	},
	{
		name: "a receiver was away for a minute, and another has nothing to take",
		series: []string{
			`prometheus_remote_storage_queue_highest_timestamp_seconds{JR} 0+60x60`,
			`prometheus_remote_storage_queue_highest_sent_timestamp_seconds{JR} 0+60x30 1800 1920+60x28`,
			`prometheus_remote_storage_samples_total{JR} 0+1000x30 30000 32000+1000x28`,
			`prometheus_remote_storage_samples_pending{JR} 0x30 1000 0x28`,
			`prometheus_remote_storage_samples_total{J,remote_name="idle"} 0x60`,
			`prometheus_remote_storage_samples_pending{J,remote_name="idle"} 0x60`,
		},
		quiet: []string{"SkybridgePushBehind", "SkybridgePushFailing"},
	},
	{
		name:   "a receiver refuses some",
		series: []string{`prometheus_remote_storage_samples_failed_total{JR} 0x50 7x10`},
		fires:  []string{`SkybridgePushRefused{remote_name="mimir", url="https://mimir/push"}`},
	},
	{
		name: "there is no room for what waits",
		series: []string{
			`prometheus_remote_storage_samples_dropped_total{JR,reason="log_full"} 0x50 0+900x10`,
			`prometheus_remote_storage_samples_dropped_total{JR,reason="dropped_series"} 0+900x60`,
			`prometheus_remote_storage_samples_dropped_total{JR,reason="relabel_invalid"} 0x60`,
			`skybridge_lost_series_total{JR,reason="log_full"} 0x55 3x5`,
			`skybridge_log_disk_bytes{J} 0+16x60`, `skybridge_log_bytes{J} 0x60`, `skybridge_log_limit_bytes{J} 1000x60`,
		},
		fires: []string{
			`SkybridgeBytesLost{reason="log_full", remote_name="mimir", url="https://mimir/push"}`,
			`SkybridgeDataDropped{reason="log_full", remote_name="mimir", url="https://mimir/push"}`,
			`SkybridgeLogNearBound{}`,
		},
		quiet: []string{"SkybridgeSeriesCollide"},
	},
	{
		name:   "there is no room in memory, without a disk",
		series: []string{`skybridge_log_bytes{J} 0+16x60`, `skybridge_log_limit_bytes{J} 1000x60`},
		fires:  []string{`SkybridgeLogNearBound{}`},
	},
	{
		name:   "there is no bound",
		series: []string{`skybridge_log_bytes{J} 0+16x60`, `skybridge_log_limit_bytes{J} 0x60`},
		quiet:  []string{"SkybridgeLogNearBound"},
	},
	{
		name: "two series get one name",
		series: []string{
			`prometheus_remote_storage_samples_dropped_total{JR,reason="relabel_collision"} _x30 4+4x30`,
			`prometheus_remote_storage_samples_dropped_total{JR,reason="too_old"} 0x60`,
		},
		fires: []string{`SkybridgeSeriesCollide{reason="relabel_collision", remote_name="mimir", url="https://mimir/push"}`},
		quiet: []string{"SkybridgeDataDropped"},
	},
	{
		name:   "the disk fails for a moment",
		series: []string{`skybridge_exactness_suspended{J} 0x55 1 0x4`},
		fires:  []string{`SkybridgeExactnessSuspended{}`},
	},
	{
		name:   "the state was too old",
		series: []string{`skybridge_state_doubts_total{J} _x50 1x10`, `process_start_time_seconds{J} _x50 3000x10`},
		fires:  []string{`SkybridgeCountersBeganAnew{}`},
	},
	{
		name: "the state was too old, two hours ago",
		series: []string{
			`skybridge_state_doubts_total{J} 1x60`, `process_start_time_seconds{J} -7200x60`,
			`skybridge_log_corruptions_total{J,what="block"} 1x60`,
		},
		quiet: []string{"SkybridgeCountersBeganAnew", "SkybridgeLogDamaged"},
	},
	{
		name:   "a log was found damaged at the start",
		series: []string{`skybridge_log_corruptions_total{J,what="block"} _x50 1x10`, `process_start_time_seconds{J} _x50 3000x10`},
		fires:  []string{`SkybridgeLogDamaged{what="block"}`},
	},
	{
		name:   "a log is found damaged while it is read",
		series: []string{`skybridge_log_corruptions_total{J,what="tick"} 0x50 1x10`, `process_start_time_seconds{J} -7200x60`},
		fires:  []string{`SkybridgeLogDamaged{what="tick"}`},
	},
	{
		name: "a capture loses one packet in fifty",
		series: []string{
			`skydive_capture_packets_dropped_total{capture_id="c"} 0+20x60`, `skydive_capture_packets_received_total{capture_id="c"} 0+980x60`,
			`skydive_capture_packets_dropped_total{capture_id="d"} 0x60`, `skydive_capture_packets_received_total{capture_id="d"} 0+980x60`,
		},
		fires: []string{`SkydiveCaptureLosesPackets{capture_id="c"}`},
	},
	{
		name: "a capture without traffic",
		series: []string{
			`skydive_capture_packets_dropped_total{capture_id="c"} 0x60`, `skydive_capture_packets_received_total{capture_id="c"} 5x60`,
		},
		quiet: []string{"SkydiveCaptureLosesPackets"},
	},
	{
		name: "a capture has no room",
		series: []string{
			`skydive_capture_flows_dropped_total{capture_id="c"} 0+9x60`, `skydive_capture_kernel_flows_dropped_total{capture_id="c"} 0x60`,
		},
		fires: []string{`SkydiveCaptureLosesFlows{capture_id="c"}`},
	},
	{
		name: "of three thousand flows 499 are reported, of another capture all but some tiny ones",
		series: []string{
			`skydive_capture_flows{capture_id="c"} 0x30 3000x30`, `skydive_capture_flows_known{capture_id="c"} 1x30 499x30`,
			`skydive_capture_flows{capture_id="d"} 15x60`, `skydive_capture_flows_known{capture_id="d"} 6x60`,
		},
		fires: []string{`SkydiveCaptureReportsLost{capture_id="c"}`},
	},
	{
		name: "all of a burst is reported at the next update, and another capture has no number",
		series: []string{
			`skydive_capture_flows{capture_id="c"} 10x20 3000x40`, `skydive_capture_flows_known{capture_id="c"} 10x25 3000x35`,
			`skydive_capture_flows{capture_id="d"} 3000x60`,
		},
		quiet: []string{"SkydiveCaptureReportsLost"},
	},
}
