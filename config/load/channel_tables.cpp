// The tables of the channel map, and how `defaults` lie under each channel.
#include <algorithm>

#include "config/load/draft.h"

namespace headgate::config {
namespace {

using std::chrono::milliseconds;

const Table<HlsDraft>& hls_table() {
  using D = HlsDraft;
  static const Table<D> kTable{
      "hls",
      {duration<D>(
           "segment", [](D& d) -> milliseconds& { return d.options.segment; }, milliseconds(1000),
           milliseconds(10000), "4s", "length of a media segment, cut at the next random access point"),
       custom<D>("window", R"({"type":"integer","minimum":7,"maximum":120})", "8",
                 "segments in the playlist, 7 to 120",
                 [](Report& report, const Value& value, D& out) {
                   const auto window = parse_integer(value, 7, 120);
                   if (!window) report.error(value.place, "window " + window.error());
                   out.options.window = static_cast<std::uint32_t>(window.value_or(8));
                 }),
       fixed<D>("container", "ts", R"({"const":"ts"})", "form of a segment"),
       fixed<D>("low_latency", "false", R"({"const":false})", "LL-HLS parts"), refused<D>("part"),
       refused<D>("timeshift"), refused<D>("subtitles")}};
  return kTable;
}

const Table<PlainServeDraft>& rtmp_table() {
  static const Table<PlainServeDraft> kTable{"rtmp", {}};
  return kTable;
}

const Table<PlainServeDraft>& http_ts_table() {
  static const Table<PlainServeDraft> kTable{"http-ts", {}};
  return kTable;
}

const Table<SrtServeDraft>& srt_table() {
  using D = SrtServeDraft;
  static const Table<D> kTable{
      "srt",
      {text<D>(
          "passphrase_file", [](D& d) -> Located<std::string>& { return d.passphrase.file; }, check_file, "",
          "file that holds this channel's AES passphrase, 10 to 79 characters, relative to this file; "
          "default: the server's")}};
  return kTable;
}

// A protocol of `serve` with its options.
template <class T>
Field<ServeDraft> serving(std::string name, std::optional<T> ServeDraft::*member, const Table<T>& options,
                          std::string doc) {
  return tables<ServeDraft>(std::move(name), Key::Shape::one, options, std::move(doc),
                            [member, &options](Report& report, const Value& value, ServeDraft& out) {
                              T& draft = (out.*member).emplace();
                              draft.place = value.place;
                              read_table(report, value, options, draft);
                            });
}

const Table<ServeDraft>& serve_table() {
  using D = ServeDraft;
  static const Table<D> kTable{
      "serve",
      {serving("hls", &D::hls, hls_table(), "HLS at /CHANNEL/index.m3u8; needs servers.http"),
       serving("rtmp", &D::rtmp, rtmp_table(), "RTMP at rtmp://HOST/live/CHANNEL; needs servers.rtmp"),
       serving("srt", &D::srt, srt_table(), "SRT at srt://HOST:PORT?streamid=CHANNEL; needs servers.srt"),
       serving("http-ts", &D::http_ts, http_ts_table(),
               "transport stream over HTTP at /CHANNEL/stream.ts; needs servers.http"),
       refused<D>("dash"), refused<D>("http-flv"), refused<D>("websocket"), refused<D>("webrtc")}};
  return kTable;
}

void read_serve(Report& report, const Value& value, ChannelDraft& out) {
  if (!expect_map(report, value, serve_table())) return;
  auto map = std::make_shared<Value>(value);
  std::vector<Entry> kept;
  for (const Entry& entry : map->entries) {
    const auto keys = serve_table().keys();
    const auto known =
        std::find_if(keys.begin(), keys.end(), [&](const Key* key) { return key->name == entry.key; });
    if (known != keys.end() && !(*known)->served) {
      report.error(entry.place, fmt::format("serving {} is not supported yet", entry.key));
    } else {
      kept.push_back(entry);
    }
  }
  map->entries = std::move(kept);
  read_table(report, *map, serve_table(), out.serve);
}

void read_inputs(Report& report, const Value& value, ChannelDraft& out) {
  read_ends(report, value, "inputs", input_table(), out.inputs);
  if (value.is_list() && value.items.empty())
    report.error(value.place, "inputs is empty: a channel needs one input");
  if (out.inputs.size() > kMaxInputs) {
    report.error(value.items[kMaxInputs]->place,
                 fmt::format("more than {} inputs: a channel has at most {}", kMaxInputs, kMaxInputs));
  }
}

void read_when(Report& report, const Value& value, FailoverDraft& out) {
  if (!value.is_list()) {
    report.error(value.place,
                 fmt::format("when must be a list like [no_data, pcr], not {}", kind_name(value)));
    return;
  }
  const std::vector<std::string> names(kTroubleNames.begin(), kTroubleNames.end());
  auto& when = out.failover.when;
  when.clear();
  out.when.clear();
  for (const ValuePtr& item : value.items) {
    const auto known = std::find(names.begin(), names.end(), item->is_scalar() ? item->text : "");
    const auto index = static_cast<std::size_t>(known - names.begin());
    if (known == names.end()) {
      report.error(item->place, fmt::format("when names troubles like no_data, not {}{}", kind_name(*item),
                                            item->is_scalar() ? suggestion(item->text, names) : ""));
    } else if (const auto trouble = static_cast<Trouble>(index);
               std::find(when.begin(), when.end(), trouble) != when.end()) {
      report.error(item->place, fmt::format("'{}' stands in when twice", *known));
    } else {
      when.push_back(trouble);
      out.when.push_back(item->place);
    }
  }
}

const Table<FailoverDraft>& failover_table() {
  using D = FailoverDraft;
  static const Table<D> kTable{
      "failover",
      {duration<D>(
           "after", [](D& d) -> milliseconds& { return d.failover.after; }, milliseconds(100),
           milliseconds(600'000), "2s", "an input that is bad for so long is left for the next good one"),
       choice<D>(
           "back", [](D& d) -> bool& { return d.failover.back; },
           std::vector<std::pair<std::string, bool>>{{"auto", true}, {"manual", false}}, "auto",
           "auto returns by itself to the preferred input; manual stays until headgate switch"),
       duration<D>(
           "hold", [](D& d) -> milliseconds& { return d.failover.hold; }, milliseconds(0),
           milliseconds(86'400'000), "10s", "a preferred input must be good for so long before the return"),
       custom<D>(
           "when",
           R"({"type":"array","items":{"enum":["no_data","sync","cc","pat","pmt","pcr","pid","scrambled","bitrate","frozen","black","silence"]},"uniqueItems":true})",
           "",
           "what makes an input bad; default: no_data, sync, pat, pmt, pcr, scrambled; frozen and black need "
           "watch.pictures, silence needs watch.sound",
           read_when)}};
  return kTable;
}

void read_tags(Report& report, const Value& value, ChannelDraft& out) {
  if (!value.is_list()) {
    report.error(value.place,
                 fmt::format("tags must be a list like [premium, hd], not {}", kind_name(value)));
    return;
  }
  for (const ValuePtr& item : value.items) {
    const auto tag = parse_text(*item).and_then(check_title);
    if (!tag || tag->find_first_of(" ,\t") != std::string::npos) {
      report.error(item->place, "a tag must be a word without spaces and commas");
    } else if (std::find(out.tags.begin(), out.tags.end(), *tag) != out.tags.end()) {
      report.error(item->place, fmt::format("tag '{}' stands here twice", *tag));
    } else {
      out.tags.push_back(*tag);
    }
  }
}

// A serve list equals a map of empty options.
ValuePtr normal_serve(Report& report, const ValuePtr& serve) {
  auto out = std::make_shared<Value>();
  out->kind = Value::Kind::map;
  out->place = serve->place;
  const auto empty = [](Place place) {
    auto map = std::make_shared<Value>();
    map->kind = Value::Kind::map;
    map->place = place;
    return map;
  };
  if (serve->is_map()) {
    for (const Entry& entry : serve->entries) {
      out->entries.push_back(
          {entry.key, entry.place, entry.value->is_null() ? empty(entry.place) : entry.value});
    }
    return out;
  }
  if (!serve->is_list()) {
    report.error(serve->place,
                 fmt::format("serve must be a list like [hls], or a map, not {}", kind_name(*serve)));
    return out;
  }
  for (const ValuePtr& item : serve->items) {
    if (!item->is_scalar()) {
      report.error(item->place,
                   fmt::format("a serve list names protocols like hls, not {}", kind_name(*item)));
    } else if (out->find(item->text) != nullptr) {
      report.error(item->place, fmt::format("'{}' stands in serve twice", shown(item->text)));
    } else {
      out->entries.push_back({item->text, item->place, empty(item->place)});
    }
  }
  return out;
}

// `over` on `under`: maps key by key, all else replaces.
ValuePtr merged(const ValuePtr& under, const ValuePtr& over) {
  if (!under->is_map() || !over->is_map()) return over;
  auto out = std::make_shared<Value>(*over);
  for (const Entry& entry : under->entries) {
    const auto own = std::find_if(out->entries.begin(), out->entries.end(),
                                  [&](const Entry& e) { return e.key == entry.key; });
    if (own == out->entries.end()) {
      out->entries.push_back(entry);
    } else {
      own->value = merged(entry.value, own->value);
    }
  }
  return out;
}

ValuePtr with_normal_serve(Report& report, const ValuePtr& channel) {
  const Entry* serve = channel->is_map() ? channel->find("serve") : nullptr;
  if (serve == nullptr || serve->value->is_null()) return channel;
  auto out = std::make_shared<Value>(*channel);
  for (Entry& entry : out->entries) {
    if (entry.key == "serve") entry.value = normal_serve(report, entry.value);
  }
  return out;
}

// A channel's own serve names exactly the protocols it serves; options under them come from the defaults.
ValuePtr over_defaults(const ValuePtr& defaults, const ValuePtr& channel) {
  if (!defaults || !defaults->is_map() || !channel->is_map()) return channel;
  const Entry* own = channel->find("serve");
  ValuePtr result = merged(defaults, channel);
  if (own == nullptr || !own->value->is_map()) return result;
  auto out = std::make_shared<Value>(*result);
  for (Entry& entry : out->entries) {
    if (entry.key != "serve") continue;
    auto serve = std::make_shared<Value>(*entry.value);
    serve->entries.erase(std::remove_if(serve->entries.begin(), serve->entries.end(),
                                        [&](const Entry& e) { return own->value->find(e.key) == nullptr; }),
                         serve->entries.end());
    entry.value = serve;
  }
  return out;
}

struct FileDraft {
  ValuePtr defaults;
  ValuePtr channels;
  ValuePtr renditions;
  ValuePtr multiplexes;
};

const Table<FileDraft>& file_table() {
  using D = FileDraft;
  static const Table<D> kTable{
      "the channel map",
      {tables<D>("defaults", Key::Shape::one, channel_table(), "lie under every channel of this file",
                 [](Report&, const Value& value, D& out) { out.defaults = std::make_shared<Value>(value); }),
       required(tables<D>(
           "channels", Key::Shape::named, channel_table(), "the channels, by id",
           [](Report&, const Value& value, D& out) { out.channels = std::make_shared<Value>(value); })),
       tables<D>(
           "renditions", Key::Shape::named_lists, rendition_member_table(),
           "one programme at several bitrates, for adaptive players: a list of channels, best first, by "
           "the id under which HLS has them at /NAME/index.m3u8; a map is a member made here",
           [](Report&, const Value& value, D& out) { out.renditions = std::make_shared<Value>(value); }),
       tables<D>(
           "multiplexes", Key::Shape::named, multiplex_table(),
           "several channels in one multi-program stream, by id",
           [](Report&, const Value& value, D& out) { out.multiplexes = std::make_shared<Value>(value); })}};
  return kTable;
}

}  // namespace

void read_ends(Report& report, const Value& value, const char* key, const Table<EndDraft>& table,
               std::vector<EndDraft>& out) {
  if (!value.is_list()) {
    report.error(value.place, fmt::format("{} must be a list: write [ \"udp://239.10.1.1:5000\" ], not {}",
                                          key, kind_name(value)));
    return;
  }
  for (const ValuePtr& item : value.items) read_end(report, *item, table, out.emplace_back());
}

const TableBase& channel_file_table() { return file_table(); }

const Table<ChannelDraft>& channel_table() {
  using D = ChannelDraft;
  static const Table<D> kTable{
      "a channel",
      {text<D>("name", &D::name, check_title, "", "what people call it; default: the id"),
       integer<D>("number", &D::number, 1, 65535, "", "channel number"),
       custom<D>(
           "tags",
           R"({"type":"array","items":{"type":["string","number"],"pattern":"^[^ ,\\t]+$"},"uniqueItems":true})",
           "", "words to filter and group by", read_tags),
       boolean<D>("enabled", &D::enabled, "true", "false keeps it in the map but runs nothing"),
       required(tables<D>("inputs", Key::Shape::list_or_named, input_table(),
                          "where it comes from, in order of preference: up to 8 URLs or maps", read_inputs)),
       scalar<D>(
           "program", program_schema(), &D::program, parse_channel_program, "",
           "program_number out of a multi-program stream, or { name: \"Service\" }; an input's own wins"),
       tables<D>("push", Key::Shape::list_or_named, push_table(), "what the gateway sends: URLs, or maps",
                 [](Report& report, const Value& value, D& out) {
                   read_ends(report, value, "push", push_table(), out.push);
                 }),
       tables<D>("serve", Key::Shape::one, serve_table(),
                 "what players may fetch: a list, or a map of options", read_serve),
       table<D>("failover", &D::failover, failover_table(),
                "when a channel of several inputs goes to another one"),
       table<D>("remux", &D::remux, remux_table(), "how the stream leaves"),
       table<D>("audio", &D::audio, audio_table(), "its sound"),
       table<D>("watch", &D::watch, watch_table(), "who looks at its pictures and listens to its sound"),
       table<D>("alarms", &D::alarms, alarms_table(), "from when on something is an alarm"),
       refused<D>("access")}};
  return kTable;
}

void read_channels(Report& report, const Value& file, MapDraft& map) {
  std::vector<ChannelDraft>& channels = map.channels;
  FileDraft draft;
  read_table(report, file, file_table(), draft);
  if (draft.renditions) read_renditions(report, *draft.renditions, map.renditions);
  if (draft.multiplexes) read_multiplexes(report, *draft.multiplexes, map.multiplexes);
  if (draft.defaults) {
    draft.defaults = with_normal_serve(report, draft.defaults);
    ChannelDraft scratch;
    read_table(report, *draft.defaults, channel_table(), scratch, Reading::partial);
  }
  if (!draft.channels) return;
  if (!draft.channels->is_map()) {
    report.error(draft.channels->place,
                 fmt::format("channels must be a map of ids, not {}", kind_name(*draft.channels)));
    return;
  }
  for (const Entry& entry : draft.channels->entries) {
    if (channels.size() > kMaxChannels) return;  // one too many is enough for the error
    ChannelDraft channel;
    channel.id = entry.key;
    channel.place = entry.place;
    if (!is_id(entry.key)) {
      report.error(entry.place,
                   fmt::format("'{}' can't be a channel's id: a to z, 0 to 9, _ and -, at most 64, a "
                               "letter or digit first",
                               shown(entry.key)));
    }
    if (!entry.value->is_map()) {
      report.error(entry.value->is_null() ? entry.place : entry.value->place,
                   fmt::format("channel '{}' must be a map of keys, not {}", shown(entry.key),
                               kind_name(*entry.value)));
      continue;
    }
    const ValuePtr own = with_normal_serve(report, entry.value);
    read_table(report, *over_defaults(draft.defaults, own), channel_table(), channel);
    channels.push_back(std::move(channel));
  }
}

}  // namespace headgate::config
