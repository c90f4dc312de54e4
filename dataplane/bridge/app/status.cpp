#include "dataplane/bridge/app/status.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "control/protocol/bridge_drops.h"
#include "dataplane/bridge/app/bridge.h"
#include "dataplane/bridge/app/ring_pump.h"
#include "dataplane/bridge/http/server.h"
#include "dataplane/bridge/hub/output_status.h"
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/push/push.h"
#include "dataplane/bridge/rtmp/server.h"
#include "dataplane/bridge/transcode/picture_desk.h"
#include "dataplane/bridge/watch/report.h"

namespace headgate::bridge::app {
namespace {

using nlohmann::json;

json tracks_of(const hub::ChannelHub& hub) {
  json tracks = json::array();
  for (const hub::Track& t : hub.tracks()) {
    json track = {{"pid", t.pid.value},
                  {"stream_type", t.stream_type},
                  {"kind", mpegts::to_string(t.kind)},
                  {"language", t.language},
                  {"carried", t.carried},
                  {"reason", t.reason},
                  {"codec", ""}};
    if (const auto* video = t.carried ? hub.video_format(t.pid) : nullptr) {
      track["codec"] = video->codec;
      track["width"] = video->width;
      track["height"] = video->height;
      track["interlaced"] = video->interlaced;
      if (video->frame_rate_den != 0) {
        track["frame_rate"] = static_cast<double>(video->frame_rate_num) / video->frame_rate_den;
      }
    }
    if (const auto* audio = t.carried ? hub.audio_format(t.pid) : nullptr) {
      track["codec"] = audio->codec;
      track["sample_rate"] = audio->sample_rate;
      track["channels"] = audio->channels;
    }
    tracks.push_back(std::move(track));
  }
  return tracks;
}

// Names of control/protocol/bridge_drops.h.
json drops_of(const Channel& channel) {
  const hub::HubCounters& hub = channel.hub().counters();
  const hls::SegmenterCounters& segmenter = channel.segmenter_counters();
  const transcode::PictureTapCounters looks =
      channel.eyes().looks() == nullptr ? transcode::PictureTapCounters{} : *channel.eyes().looks();
  std::uint64_t ladder_not_sent = 0, ladder_unusable = 0;
  for (const transcode::LadderStatus& step : channel.ladder()) {
    ladder_not_sent += step.not_sent;
    ladder_unusable += step.dropped;
  }
  const std::uint64_t frames_dropped =
      channel.frames() == nullptr ? 0 : channel.frames()->counters().dropped_frames;
  const std::uint64_t late_in_rtmp =
      channel.frames() == nullptr ? 0 : channel.frames()->counters().late_twins;
  return {{"damaged_pes", hub.damaged_pes},
          {"scrambled_pes", hub.scrambled_pes},
          {"oversized_pes", hub.oversized_pes},
          {"untimed_pes", hub.untimed_pes},
          {"bad_timestamp_pes", hub.bad_timestamp_pes},
          {"unreferenced_pes", hub.unreferenced_pes},
          {"sound_not_sent", channel.sound_not_sent()},
          {"twin_late", channel.twins().totals().late + late_in_rtmp},
          {"twin_unusable", channel.twins().totals().unusable},
          {"look_skipped", looks.skipped},
          {"look_oversized", looks.oversized},
          {"ladder_not_sent", ladder_not_sent},
          {"ladder_unusable", ladder_unusable},
          {"no_segment_open", segmenter.unlisted_units},
          {"segment_full", segmenter.dropped_units - segmenter.dropped_over_budget},
          {"memory_full", segmenter.dropped_over_budget},
          {"segment_not_written", channel.serves_hls() ? channel.store().lost_segments() : 0},
          {"slow_client", *channel.slow_clients() + channel.stats(Output::http_ts)->cut +
                              channel.stats(Output::rtmp)->cut + channel.stats(Output::srt)->cut},
          {"rtmp_unusable", channel.stats(Output::rtmp)->unusable + frames_dropped},
          {"rtmp_skipped", channel.stats(Output::rtmp)->skipped},
          {"http_ts_skipped", channel.stats(Output::http_ts)->skipped},
          {"srt_skipped", channel.stats(Output::srt)->skipped}};
}

// Tracks that come as frames, but have no place in RTMP.
void add_left_out_of_rtmp(const rtmp::Server* rtmp, const std::string& id, json& left_out) {
  const rtmp::ChannelStream* stream = rtmp == nullptr ? nullptr : rtmp->channel(id);
  if (stream == nullptr || stream->carriage() == nullptr) return;
  for (json& each : left_out_json(stream->carriage()->left_out)) left_out.push_back(std::move(each));
}

json outputs_of(const Channel& channel, const rtmp::Server* rtmp) {
  json out = json::array();
  for (const hub::OutputStatus& output : channel.outputs()) {
    json entry = to_json(output);
    if (output.protocol == "rtmp") add_left_out_of_rtmp(rtmp, channel.state().id, entry["left_out"]);
    out.push_back(std::move(entry));
  }
  return out;
}

json refused_of(const http::ServerCounters& c) {
  return {{"connections", c.refused_connections},
          {"per_address", c.refused_per_address},
          {"accept_error", c.accept_errors},
          {"header_timeout", c.header_timeouts},
          {"idle_timeout", c.idle_timeouts},
          {"slow_client", c.slow_clients},
          {"bad_request", c.bad_requests},
          {"not_found", c.not_found},
          {"method", c.methods},
          {"body", c.bodies},
          {"address_too_long", c.long_addresses},
          {"range", c.ranges},
          {"header_too_long", c.long_headers},
          {"no_segment_yet", c.not_ready},
          {"kicked", c.kicked}};
}

json hls_of(Channel& channel) {
  const hls::SegmentStore& store = channel.store();
  const hls::SegmenterCounters& c = channel.segmenter_counters();
  const auto& entries = store.entries();
  json out = {{"media_sequence", nullptr},
              {"last_segment", nullptr},
              {"last_segment_unix", nullptr},
              {"segment_count", store.listed()},
              {"window_bytes", store.bytes_on_disk()},
              {"bandwidth", store.variant().bandwidth},
              {"average_bandwidth", store.variant().average_bandwidth},
              {"codecs", store.variant().codecs},
              {"segments_total", c.segments},
              {"gaps", c.gaps},
              {"discontinuities", c.discontinuities},
              {"gop_too_long", c.gop_too_long},
              {"dropped_units", c.dropped_units},
              {"dropped_over_budget", c.dropped_over_budget},
              {"unlisted_units", c.unlisted_units},
              {"late_units", c.late_units},
              {"timeline_restarts", c.restarts},
              {"write_errors", store.write_errors()},
              {"last_error", store.last_error()},
              {"viewers", channel.viewers()}};
  if (!entries.empty()) {
    out["media_sequence"] = entries[entries.size() - store.listed()].k;
    out["last_segment"] = entries.back().k;
    if (const auto when = store.last_segment_unix()) out["last_segment_unix"] = *when;
  }
  return out;
}

// AAC that is made of the channel's sound, and what measuring it needs.
json sound_of(const transcode::AudioTwins& twins) {
  json tracks = json::array();
  for (const transcode::SoundStatus& t : twins.tracks()) {
    json track = {
        {"pid", t.pid.value},
        {"kind", mpegts::to_string(t.kind)},
        {"language", t.language},
        {"twin", nullptr},
        {"present", t.present},
        {"state", transcode::to_string(t.state)},
        {"since_unix", static_cast<double>(t.since_unix_ns) / 1e9},
        {"lag_ms", t.lag / (mpegts::kTicksPerSecond / 1000)},
        {"frames", t.counters.frames},
        {"filled", t.counters.filled},
        {"gaps", t.counters.gaps},
        {"late", t.counters.late},
        {"withdrawn", t.counters.withdrawn},
        {"delay_ms", {{"p50", t.delay.ms(0.5)}, {"p99", t.delay.ms(0.99)}, {"most", t.delay.ms(1)}}},
        {"decode_errors", t.decode_errors},
        {"trouble", t.trouble}};
    if (t.twin) track["twin"] = t.twin->value;
    tracks.push_back(std::move(track));
  }
  json out = {{"tracks", std::move(tracks)}, {"job", nullptr}};
  if (const transcode::Job* job = twins.job()) {
    const transcode::JobCounters c = job->counters();
    out["job"] = {{"sent", c.sent},
                  {"dropped", c.dropped},
                  {"received", c.received},
                  {"damaged", c.damaged},
                  {"problem", job->problem()}};
  }
  return out;
}

json thumbnail_of(const Eyes& eyes) {
  const transcode::PictureTapCounters* looks = eyes.looks();
  if (looks == nullptr) return nullptr;
  const transcode::Thumbnail& thumbnail = eyes.thumbnail();
  json out = {{"unix", nullptr},
              {"bytes", thumbnail.jpeg() == nullptr ? 0 : thumbnail.jpeg()->size()},
              {"looks", looks->looks},
              {"shown", looks->shown},
              {"failed", looks->failed},
              {"skipped", looks->skipped},
              {"oversized", looks->oversized},
              {"write_errors", thumbnail.write_errors()}};
  if (thumbnail.jpeg() != nullptr) out["unix"] = thumbnail.modified_unix();
  return out;
}

json watch_of(const Eyes& eyes) {
  const std::int64_t now_ns = Eyes::now_ns(), unix_ns = hub::unix_now_ns();
  json out = watch::report(eyes.watch(), now_ns, unix_ns);
  out["input"] = eyes.input();
  out["standby"] = json::array();
  for (const auto& [input, standby] : eyes.standby()) {
    json each = watch::report(*standby, now_ns, unix_ns);
    each["input"] = input;
    out["standby"].push_back(std::move(each));
  }
  return out;
}

json channel_status(Channel& channel, const rtmp::Server* rtmp) {
  const hub::ChannelHub& hub = channel.hub();
  const hub::HubCounters& c = hub.counters();
  json out = {{"name", channel.display_name()},
              {"service", nullptr},
              {"pmt_pid", nullptr},
              {"program_unset", hub.program_unset() && !channel.state().program},
              {"tracks", tracks_of(hub)},
              {"packets", c.packets},
              {"ring_gaps", c.gaps},
              {"cc_errors", c.cc_errors},
              {"damaged_pes", c.damaged_pes},
              {"scrambled_pes", c.scrambled_pes},
              {"oversized_pes", c.oversized_pes},
              {"untimed_pes", c.untimed_pes},
              {"bad_timestamp_pes", c.bad_timestamp_pes},
              {"unreferenced_pes", c.unreferenced_pes},
              {"split_pes", c.split_pes},
              {"last_packet_unix", static_cast<double>(hub.last_arrival_ns()) / 1e9},
              {"drops", drops_of(channel)},
              {"problem", channel.problem()},
              {"hls", nullptr},
              {"outputs", outputs_of(channel, rtmp)},
              {"sound", sound_of(channel.twins())},
              {"thumbnail", thumbnail_of(channel.eyes())},
              {"watch", watch_of(channel.eyes())}};
  if (const auto service = hub.program_number()) out["service"] = *service;
  if (hub.pmt_pid() != mpegts::kNullPid) out["pmt_pid"] = hub.pmt_pid().value;
  if (channel.serves_hls()) {
    out["hls"] = hls_of(channel);
    out["hls"]["damaged_pes"] = c.damaged_pes;
  }
  return out;
}

json rendition_status(Rendition& rendition) {
  json members = json::array();
  for (const RenditionMemberStatus& member : rendition.status()) {
    json entry = {{"channel", member.channel},    {"part", member.part},   {"plays", member.plays},
                  {"codecs", member.codecs},      {"width", member.width}, {"height", member.height},
                  {"bandwidth", member.bandwidth}};
    if (member.ladder) {
      entry["frames"] = member.ladder->frames;
      entry["dropped"] = member.ladder->dropped;
      entry["not_sent"] = member.ladder->not_sent;
      entry["behind"] = member.ladder->behind;
      entry["left_out"] = member.ladder->left_out;
      entry["trouble"] = member.ladder->trouble;
    }
    members.push_back(std::move(entry));
  }
  return {{"viewers", rendition.viewers()}, {"members", std::move(members)}};
}

json rtmp_of(const rtmp::Server& server) {
  const rtmp::ServerCounters& c = server.counters();
  json refused = json::object();
  for (std::size_t i = 0; i < rtmp::kRefusals; ++i)
    refused[std::string(protocol::kRtmpRefusals[i].name)] = c.refused[i];
  return {{"connections", server.connections()},
          {"accepted_total", c.accepted},
          {"plays_total", c.plays},
          {"publishers", server.publishers()},
          {"publishes_total", c.publishes},
          {"bytes_total", c.bytes},
          {"refused", refused}};
}

}  // namespace

const char* to_string(push::PushState state) {
  switch (state) {
    case push::PushState::connecting:
      return "connecting";
    case push::PushState::sending:
      return "sending";
    case push::PushState::waiting:
      break;
  }
  return "waiting";
}

std::optional<std::int64_t> round_trip_of(const std::map<std::string, std::string>& details) {
  const auto found = details.find("rtt_ms");
  if (found == details.end()) return {};
  return static_cast<std::int64_t>(std::strtod(found->second.c_str(), nullptr) * 1e6);
}

json left_out_json(const std::vector<hub::LeftOutTrack>& tracks) {
  json left_out = json::array();
  for (const hub::LeftOutTrack& left : tracks) {
    left_out.push_back({{"pid", left.track.pid.value},
                        {"kind", mpegts::to_string(left.track.kind)},
                        {"reason", left.reason}});
  }
  return left_out;
}

json to_json(const hub::OutputStatus& output) {
  return {{"protocol", output.protocol},
          {"sessions", output.sessions},
          {"bytes", output.bytes},
          {"left_out", left_out_json(output.left_out)}};
}

json to_json(const std::string& url, const push::PushStatus& status) {
  return {{"url", url},
          {"state", to_string(status.state)},
          {"error", status.error},
          {"since_unix_ns", status.since_ns},
          {"connections", status.connections},
          {"failures", status.failures},
          {"bytes", status.bytes},
          {"skipped", status.skipped},
          {"details", status.details},
          {"left_out", left_out_json(status.left_out)}};
}

json status(Bridge& bridge, const http::Server& server, const RingPump& pump, const rtmp::Server* rtmp) {
  json channels = json::object();
  for (const auto& [id, channel] : bridge.channels()) channels[id] = channel_status(*channel, rtmp);
  const transcode::PictureDesk* desk = bridge.workers().pictures;
  json renditions = json::object();
  for (const auto& [id, rendition] : bridge.renditions()) renditions[id] = rendition_status(*rendition);
  const http::ServerCounters& c = server.counters();
  json out = {
      {"channels", channels},
      {"renditions", renditions},
      {"memory", {{"open_segments_bytes", bridge.memory().used}, {"limit_bytes", bridge.memory().limit}}},
      {"pictures",
       {{"requests", desk == nullptr ? 0 : desk->counters().requests},
        {"results", desk == nullptr ? 0 : desk->counters().results},
        {"lost", desk == nullptr ? 0 : desk->counters().lost},
        {"unexpected", desk == nullptr ? 0 : desk->counters().unexpected},
        {"outstanding", desk == nullptr ? 0 : desk->outstanding()}}},
      {"ring",
       {{"attached", pump.attached()},
        {"restarts", pump.restarts()},
        {"slots_total", bridge.slots()},
        {"unknown_channel_slots", bridge.unknown_slots()}}},
      {"http",
       {{"connections", server.connections()},
        {"accepted_total", c.accepted},
        {"requests_total", c.requests},
        {"responses",
         {{"2xx", c.responses[2]},
          {"3xx", c.responses[3]},
          {"4xx", c.responses[4]},
          {"5xx", c.responses[5]}}},
        {"bytes_total", c.bytes},
        {"refused", refused_of(c)}}}};
  if (rtmp != nullptr) out["rtmp"] = rtmp_of(*rtmp);
  return out;
}

}  // namespace headgate::bridge::app
