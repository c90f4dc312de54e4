#include "control/cli/report_cues.h"

#include <fmt/core.h>

#include "control/words/cue_text.h"

namespace headgate::control {
namespace {

using nlohmann::json;
using words::hex, words::seconds, words::upid_text;

void add_insert(json& out, const mpegts::SpliceInsert& insert) {
  out["event_id"] = insert.event_id;
  out["cancelled"] = insert.cancel;
  if (insert.cancel) return;
  out["out_of_network"] = insert.out_of_network;
  out["immediate"] = insert.immediate;
  out["components"] = insert.components.size();
  if (insert.duration) {
    out["duration_s"] = seconds(*insert.duration);
    out["auto_return"] = insert.auto_return;
  }
  out["unique_program_id"] = insert.unique_program_id;
  out["avail_num"] = insert.avail_num;
  out["avails_expected"] = insert.avails_expected;
}

struct DescriptorJson {
  json operator()(const mpegts::AvailDescriptor& avail) const {
    return {{"kind", "avail"}, {"provider_avail_id", avail.provider_avail_id}};
  }
  json operator()(const mpegts::DtmfDescriptor& dtmf) const {
    return {{"kind", "dtmf"}, {"preroll_s", dtmf.preroll / 10.0}, {"characters", dtmf.characters}};
  }
  json operator()(const mpegts::SegmentationDescriptor& segment) const {
    json out = {{"kind", "segmentation"}, {"event_id", segment.event_id}, {"cancelled", segment.cancel}};
    if (segment.cancel) return out;
    out["type_id"] = segment.type_id;
    out["type"] = mpegts::segmentation_type_name(segment.type_id);
    out["upid_type"] = segment.upid_type;
    out["upid"] = upid_text(segment.upid);
    out["segment_num"] = segment.segment_num;
    out["segments_expected"] = segment.segments_expected;
    out["delivery_not_restricted"] = segment.delivery_not_restricted;
    if (segment.duration) out["duration_s"] = seconds(*segment.duration);
    if (segment.sub_segment) {
      out["sub_segment_num"] = segment.sub_segment->first;
      out["sub_segments_expected"] = segment.sub_segment->second;
    }
    return out;
  }
  json operator()(const mpegts::TimeDescriptor& time) const {
    return {{"kind", "time"},
            {"tai_seconds", time.tai_seconds},
            {"tai_ns", time.tai_ns},
            {"utc_offset_s", time.utc_offset}};
  }
  json operator()(const mpegts::OtherSpliceDescriptor& other) const {
    return {{"kind", "other"}, {"tag", other.tag}, {"body", hex(other.body)}};
  }
};

}  // namespace

json cues_json(const mpegts::StreamReport& report) {
  json result = json::array();
  for (const mpegts::CueInfo& cue : report.cues) {
    const mpegts::SpliceInfo& info = cue.info;
    json out = {{"pid", cue.pid.value},
                {"program_number", cue.program_number},
                {"count", cue.count},
                {"time_s", cue.time_s},
                {"encrypted", info.encrypted},
                {"command", info.encrypted ? json() : json(mpegts::to_string(info.command_type))},
                {"pts_adjustment", info.pts_adjustment.ticks},
                {"pts", nullptr},
                {"ahead_s", nullptr},
                {"tier", info.tier},
                {"descriptors", json::array()}};
    if (const auto at = info.at()) out["pts"] = at->ticks;
    if (const auto ahead = cue.ahead_s()) out["ahead_s"] = *ahead;
    if (const auto* insert = std::get_if<mpegts::SpliceInsert>(&info.command)) add_insert(out, *insert);
    for (const auto& descriptor : info.descriptors)
      out["descriptors"].push_back(std::visit(DescriptorJson{}, descriptor));
    result.push_back(std::move(out));
  }
  return result;
}

std::string cues_text(const mpegts::StreamReport& report) {
  if (report.cues.empty() && report.cues_damaged == 0) return "";
  std::string text = "\nSCTE-35 PID  SEEN      SENT  CUE\n";
  for (const mpegts::CueInfo& cue : report.cues) {
    text += fmt::format("0x{:04x}       {:>7.1f} s  {:>3}x  {}", cue.pid.value, cue.time_s, cue.count,
                        words::command_text(cue.info));
    if (const auto at = cue.info.at())
      text += fmt::format("  PTS {} ({:.3f} s)", at->ticks, seconds(at->ticks));
    if (const auto ahead = cue.ahead_s())
      text += *ahead < 0 ? fmt::format(", {:.1f} s ago", -*ahead) : fmt::format(", {:.1f} s ahead", *ahead);
    for (const auto& descriptor : cue.info.descriptors) {
      if (const auto* segment = std::get_if<mpegts::SegmentationDescriptor>(&descriptor))
        text += "\n          " + words::segment_text(*segment);
    }
    text += "\n";
  }
  if (report.cues_beyond != 0) text += fmt::format("and {} cues more\n", report.cues_beyond);
  if (report.cues_damaged != 0)
    text += fmt::format("! {} cues damaged: CRC or form wrong\n", report.cues_damaged);
  return text;
}

}  // namespace headgate::control
