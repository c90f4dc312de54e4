// The `multiplexes` of the channel map: their table, and the channels they name.
#include <algorithm>
#include <map>
#include <set>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

constexpr std::uint64_t kMinRate = 500'000, kMaxRate = 200'000'000;
constexpr std::uint32_t kMaxLogicalNumber = 1023;  // 10 bits

// 0 to 0xFFFF in decimal or hexadecimal, as broadcasters write them.
Field<MultiplexDraft> identifier(std::string name, std::uint16_t MultiplexDraft::*member, std::string doc) {
  return required(integer<MultiplexDraft>(std::move(name), member, 1, 0xFFFF, "", std::move(doc)));
}

void read_members(Report& report, const Value& value, MultiplexDraft& out) {
  if (!value.is_list() || value.items.empty()) {
    report.error(value.place, fmt::format("channels must be a list like [news, sport], not {}",
                                          value.is_list() ? "an empty one" : kind_name(value)));
    return;
  }
  for (const ValuePtr& item : value.items) {
    if (!item->is_scalar()) {
      report.error(item->place, fmt::format("a channel's id is needed, not {}", kind_name(*item)));
      continue;
    }
    out.channels.push_back({item->text, item->place, true});
  }
}

class Multiplexes {
 public:
  Multiplexes(Report& report, const std::vector<ChannelDraft>& drafts, const Ids& ids, const Model& model)
      : report_(report), ids_(ids) {
    for (const Channel& channel : model.channels) {
      channels_.emplace(channel.id, &channel);
      names_.push_back(channel.id);
    }
    for (const ChannelDraft& draft : drafts) drafts_.emplace(draft.id, &draft);
  }

  void add(const MultiplexDraft& draft, Multiplex& out) {
    out.id = draft.id;
    out.transport_stream_id = draft.transport_stream_id;
    out.network_id = draft.network_id;
    out.original_network_id = draft.original_network_id;
    out.bitrate = draft.bitrate;
    out.lcn = draft.lcn;
    std::map<std::uint16_t, std::string> services;
    for (const Located<std::string>& member : draft.channels) {
      const Channel* channel = find(member);
      if (channel == nullptr) continue;
      if (std::find(out.channels.begin(), out.channels.end(), channel->id) != out.channels.end()) {
        report_.error(member.place,
                      fmt::format("channel '{}' stands in multiplex '{}' twice", channel->id, draft.id));
        continue;
      }
      out.channels.push_back(channel->id);
      check_service(draft, member, *channel, services);
      check_number(draft, member, *channel);
    }
    if (draft.channels.size() > kMaxMultiplexMembers) {
      report_.error(draft.channels[kMaxMultiplexMembers].place,
                    fmt::format("more than {} channels in multiplex '{}'", kMaxMultiplexMembers, draft.id));
    }
  }

 private:
  const Channel* find(const Located<std::string>& member) {
    const std::string& name = member.value;
    const auto known = channels_.find(name);
    if (known == channels_.end()) {
      if (ids_.count(name) != 0)
        report_.error(member.place, fmt::format("'{}' is no channel: a multiplex has channels", name));
      else
        report_.error(member.place,
                      fmt::format("unknown channel '{}'{}", shown(name), suggestion(name, names_)));
      return nullptr;
    }
    if (!known->second->enabled) {
      report_.error(member.place,
                    fmt::format("channel '{}' is disabled: enable it, or leave it out here", name));
      return nullptr;
    }
    return known->second;
  }

  void check_service(const MultiplexDraft& draft, const Located<std::string>& member, const Channel& channel,
                     std::map<std::uint16_t, std::string>& services) {
    if (!channel.remux.service_id) return;
    const auto [same, fresh] = services.emplace(*channel.remux.service_id, channel.id);
    if (fresh) return;
    report_.error(
        member.place,
        fmt::format("channels '{}' and '{}' have the service_id {} both ({}): in multiplex '{}' each "
                    "needs its own",
                    same->second, channel.id, *channel.remux.service_id,
                    report_.where(drafts_.at(channel.id)->remux.service_id.place), draft.id));
  }

  void check_number(const MultiplexDraft& draft, const Located<std::string>& member, const Channel& channel) {
    if (!draft.lcn || !channel.number) return;
    if (*channel.number > kMaxLogicalNumber) {
      report_.warning(member.place,
                      fmt::format("the number {} of channel '{}' is more than a logical channel "
                                  "number can be ({}): multiplex '{}' tells none of it",
                                  *channel.number, channel.id, kMaxLogicalNumber, draft.id));
    }
  }

  Report& report_;
  const Ids& ids_;
  std::map<std::string, const Channel*> channels_;
  std::map<std::string, const ChannelDraft*> drafts_;
  std::vector<std::string> names_;
};

}  // namespace

const Table<MultiplexDraft>& multiplex_table() {
  using D = MultiplexDraft;
  static const Table<D> kTable{
      "a multiplex",
      {identifier("transport_stream_id", &D::transport_stream_id, "of the stream, in its PAT and SDT"),
       identifier("network_id", &D::network_id, "of the network that its NIT describes"),
       identifier("original_network_id", &D::original_network_id, "of whom the services are from"),
       required(scalar<D>(
           "bitrate", R"({"type":"string","pattern":"^[0-9.]+(kbps|Mbps|Gbps)$"})", &D::bitrate,
           [](const Value& value) { return parse_bitrate(value, kMinRate, kMaxRate); }, "",
           "of the whole, constant, filled up with null packets; 500kbps to 200Mbps")),
       boolean<D>("lcn", &D::lcn, "false", "tells logical channel numbers: each channel's number"),
       required(custom<D>(
           "channels", R"({"type":"array","items":{"type":["string","number"]},"minItems":1,"maxItems":61})",
           "", "the channels in it, by id", read_members)),
       tables<D>("push", Key::Shape::list_or_named, push_table(), "where it is sent: udp:// and rtp://",
                 [](Report& report, const Value& value, D& out) {
                   read_ends(report, value, "push", push_table(), out.push);
                 })}};
  return kTable;
}

void read_multiplexes(Report& report, const Value& multiplexes, std::vector<MultiplexDraft>& out) {
  if (!multiplexes.is_map()) {
    report.error(multiplexes.place,
                 fmt::format("multiplexes must be a map of ids, not {}", kind_name(multiplexes)));
    return;
  }
  for (const Entry& entry : multiplexes.entries) {
    if (out.size() > kMaxMultiplexes) return;  // one too many is enough for the error
    MultiplexDraft& draft = out.emplace_back();
    draft.id = entry.key;
    draft.place = entry.place;
    if (!is_id(entry.key)) {
      report.error(entry.place,
                   fmt::format("'{}' can't be a multiplex's id: a to z, 0 to 9, _ and -, at most 64, a "
                               "letter or digit first",
                               shown(entry.key)));
    }
    if (entry.value->is_null()) {
      report.error(entry.place, fmt::format("multiplex '{}' has no keys", shown(entry.key)));
      continue;
    }
    read_table(report, *entry.value, multiplex_table(), draft);
  }
}

void resolve_multiplexes(Report& report, const std::vector<MultiplexDraft>& multiplexes,
                         const std::vector<ChannelDraft>& channels, Ids& ids, Model& model) {
  for (const MultiplexDraft& draft : multiplexes) claim_id(report, ids, draft.id, draft.place);
  if (multiplexes.size() > kMaxMultiplexes)
    report.error(multiplexes[kMaxMultiplexes].place,
                 fmt::format("more than {} multiplexes", kMaxMultiplexes));
  Multiplexes resolver(report, channels, ids, model);
  for (const MultiplexDraft& draft : multiplexes) resolver.add(draft, model.multiplexes.emplace_back());
}

}  // namespace headgate::config
