// The `renditions` of the channel map: their tables, and the channels they name.
#include <algorithm>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

// Less than a picture of a phone, more than what one core encodes.
constexpr std::uint32_t kMinHeight = 144, kMaxHeight = 2160, kMinWidth = 144, kMaxWidth = 3840;
constexpr std::uint64_t kMinVideoRate = 100'000, kMaxVideoRate = 50'000'000;

// H.264 in 4:2:0 has no odd sides.
Field<VideoDraft> side(std::string name, Located<std::uint32_t> VideoDraft::*member, std::uint32_t min,
                       std::uint32_t max, std::string doc) {
  const auto parse = [min, max](const Value& value) -> Parsed<std::uint64_t> {
    const auto number = parse_integer(value, min, max);
    if (number && *number % 2 != 0)
      return tl::unexpected<std::string>(fmt::format("must be even: write {}", *number - 1));
    return number;
  };
  return scalar<VideoDraft>(
      std::move(name),
      fmt::format(R"({{"type":"integer","minimum":{},"maximum":{},"multipleOf":2}})", min, max), member,
      parse, "", fmt::format("{}, even, {} to {}", doc, min, max));
}

const Table<VideoDraft>& video_table() {
  using D = VideoDraft;
  static const Table<D> kTable{
      "video",
      {required(side("height", &D::height, kMinHeight, kMaxHeight, "lines")),
       side("width", &D::width, kMinWidth, kMaxWidth, "default: by the shape of the source's picture"),
       required(scalar<D>(
           "bitrate", R"({"type":"string","pattern":"^[0-9.]+(kbps|Mbps|Gbps)$"})", &D::bitrate,
           [](const Value& value) { return parse_bitrate(value, kMinVideoRate, kMaxVideoRate); }, "",
           "of the video; 100kbps to 50Mbps")),
       fixed<D>("codec", "h264", R"({"const":"h264"})", "what it is encoded as")}};
  return kTable;
}

void read_member(Report& report, const Value& value, RenditionMemberDraft& out) {
  out.place = value.place;
  if (value.is_scalar()) {
    out.channel = {value.text, value.place, true};
  } else if (value.is_map()) {
    out.derived = true;
    read_table(report, value, rendition_member_table(), out);
  } else {
    report.error(value.place,
                 fmt::format("a member is a channel, or a map like {{ from: sport, video: {{ height: 360, "
                             "bitrate: 800kbps }} }}, not {}",
                             kind_name(value)));
  }
}

class Renditions {
 public:
  Renditions(Report& report, const Ids& ids, const Model& model) : report_(report), ids_(ids) {
    for (const Channel& channel : model.channels) {
      channels_.emplace(channel.id, &channel);
      names_.push_back(channel.id);
    }
  }

  void add(const RenditionDraft& draft, Rendition& out) {
    out.id = draft.id;
    for (const RenditionMemberDraft& member : draft.members) {
      const VideoDraft& video = member.video;
      if (!member.channel.set || !playable(member)) continue;
      if (member.derived && (video.height.value == 0 || video.bitrate == 0)) continue;  // said already
      RenditionMember made{member.channel.value, member.derived, video.width.value, video.height.value,
                           video.bitrate};
      const auto same = std::find(out.members.begin(), out.members.end(), made);
      if (same != out.members.end()) {
        report_.error(member.place, fmt::format("'{}' stands in rendition '{}' twice{}", made.channel,
                                                draft.id, made.derived ? " with the same video" : ""));
        continue;
      }
      out.members.push_back(std::move(made));
    }
  }

 private:
  bool playable(const RenditionMemberDraft& member) {
    const std::string& name = member.channel.value;
    const auto wrong = [&](const std::string& message) {
      report_.error(member.channel.place, message);
      return false;
    };
    const auto known = channels_.find(name);
    if (known == channels_.end()) {
      // A channel with errors has an id alone; what is wrong with it is said.
      if (ids_.count(name) != 0)
        return wrong(fmt::format("'{}' is no channel: a rendition has channels", name));
      return wrong(fmt::format("unknown channel '{}'{}", shown(name), suggestion(name, names_)));
    }
    if (!known->second->enabled)
      return wrong(fmt::format("channel '{}' is disabled: enable it, or leave it out here", name));
    if (!known->second->hls)
      return wrong(
          fmt::format("channel '{}' does not serve hls, which renditions are played by: add hls to "
                      "its serve",
                      name));
    return true;
  }

  Report& report_;
  const Ids& ids_;
  std::map<std::string, const Channel*> channels_;
  std::vector<std::string> names_;
};

}  // namespace

const Table<RenditionMemberDraft>& rendition_member_table() {
  using D = RenditionMemberDraft;
  static const Table<D> kTable{
      "a member of a rendition",
      {required(text<D>("from", &D::channel, check_title, "",
                        "the channel whose pictures are made smaller; it serves hls")),
       required(table<D>("video", &D::video, video_table(), "what is made of them"))}};
  return kTable;
}

void read_renditions(Report& report, const Value& renditions, std::vector<RenditionDraft>& out) {
  if (!renditions.is_map()) {
    report.error(renditions.place,
                 fmt::format("renditions must be a map of ids, not {}", kind_name(renditions)));
    return;
  }
  for (const Entry& entry : renditions.entries) {
    if (out.size() > kMaxRenditions) return;  // one too many is enough for the error
    RenditionDraft draft;
    draft.id = entry.key;
    draft.place = entry.place;
    if (!is_id(entry.key)) {
      report.error(entry.place,
                   fmt::format("'{}' can't be a rendition's id: a to z, 0 to 9, _ and -, at most 64, a "
                               "letter or digit first",
                               shown(entry.key)));
    }
    const Value& list = *entry.value;
    if (!list.is_list()) {
      report.error(list.is_null() ? entry.place : list.place,
                   fmt::format("rendition '{}' must be a list of channels like [sport, sport-sd], not {}",
                               shown(entry.key), kind_name(list)));
      continue;
    }
    if (list.items.size() < kMinRenditionMembers) {
      report.error(list.place,
                   fmt::format("rendition '{}' needs at least {} members: players choose among them",
                               shown(entry.key), kMinRenditionMembers));
    } else if (list.items.size() > kMaxRenditionMembers) {
      report.error(
          list.items[kMaxRenditionMembers]->place,
          fmt::format("more than {} members in rendition '{}'", kMaxRenditionMembers, shown(entry.key)));
      continue;
    }
    for (const ValuePtr& item : list.items) read_member(report, *item, draft.members.emplace_back());
    out.push_back(std::move(draft));
  }
}

void claim_id(Report& report, Ids& ids, const std::string& id, Place place) {
  const auto [known, fresh] = ids.emplace(id, place);
  if (fresh) return;
  report.error(place, fmt::format("duplicate id '{}': it stands in {} already; channels, renditions and "
                                  "multiplexes share their ids",
                                  shown(id), report.where(known->second)));
}

void resolve_renditions(Report& report, const std::vector<RenditionDraft>& renditions, Ids& ids,
                        Model& model) {
  std::size_t count = 0;
  for (const RenditionDraft& draft : renditions) {
    claim_id(report, ids, draft.id, draft.place);
    if (++count == kMaxRenditions + 1)
      report.error(draft.place, fmt::format("more than {} renditions", kMaxRenditions));
  }
  Renditions resolver(report, ids, model);
  for (const RenditionDraft& draft : renditions) resolver.add(draft, model.renditions.emplace_back());
}

}  // namespace headgate::config
