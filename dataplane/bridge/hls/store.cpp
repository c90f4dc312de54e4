#include "dataplane/bridge/hls/store.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/replace_file.h"

namespace headgate::bridge::hls {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kFirstSegments = 3;  // sound may come seconds after the pictures that begin

}  // namespace

SegmentStore::Text with_etag(std::string content) {
  std::string etag = fmt::format("\"{:016x}\"", fnv1a(content));
  return std::make_shared<const SegmentStore::Playlist>(
      SegmentStore::Playlist{std::move(content), std::move(etag)});
}

SegmentStore::SegmentStore(std::string directory, std::uint32_t segment_ms, std::uint32_t window)
    : directory_(std::move(directory)), segment_ms_(segment_ms), window_(window) {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) last_error_ = "can't create " + directory_ + ": " + error.message();
  load();
  clean_folder();
  if (!entries_.empty()) publish();
}

std::string SegmentStore::path_of(const Entry& entry, std::string_view part) const {
  return part.empty() ? fmt::format("{}/{}-{}.ts", directory_, entry.k, entry.media)
                      : fmt::format("{}/{}-{}-{}.ts", directory_, entry.k, entry.media, part);
}

void SegmentStore::load() {
  const auto text = protocol::read_file(directory_ + "/journal.json");
  if (!text) return;
  auto journal = parse_journal(*text);
  if (!journal) {
    last_error_ = "journal of " + directory_ + " is not usable, its segments are removed: " + journal.error();
    return;
  }
  // Other slots, other numbers: what was cut before can't be listed on.
  if (journal->segment_ms != segment_ms_) return;
  series_ = journal->series;
  discontinuity_sequence_ = journal->discontinuity_sequence;
  last_media_ = journal->last_media;
  if (journal->has_pdt) pdt_offset_s_ = journal->pdt_offset_s;
  variant_ = journal->variant;
  layout_ = journal->layout;
  renditions_ = std::move(journal->renditions);
  const auto whole = [](const std::string& path, std::uint64_t size) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && static_cast<std::uint64_t>(status.st_size) == size;
  };
  for (Entry& entry : journal->entries) {
    if (!whole(path_of(entry), entry.size)) entry.gap = true;
    std::erase_if(entry.parts, [&](const Part& p) { return !whole(path_of(entry, p.name), p.size); });
    entries_.push_back(std::move(entry));
  }
}

void SegmentStore::clean_folder() const {
  std::set<std::string> known{directory_ + "/journal.json"};
  for (const Entry& entry : entries_) {
    known.insert(path_of(entry));
    for (const Part& part : entry.parts) known.insert(path_of(entry, part.name));
  }
  std::error_code error;
  for (const auto& item : fs::directory_iterator(directory_, error)) {
    if (!known.contains(item.path().string())) fs::remove_all(item.path(), error);
  }
}

void SegmentStore::remove(const std::string& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
}

void SegmentStore::set_arrival(std::int64_t unix_ns, std::int64_t timeline) {
  arrival_ns_ = unix_ns;
  timeline_ = timeline;
}

void SegmentStore::set_window(std::uint32_t window) {
  if (window == window_) return;
  window_ = window;
  if (!entries_.empty()) publish();
}

std::optional<SegmentStore::Resume> SegmentStore::resume() const {
  if (entries_.empty()) return std::nullopt;
  return Resume{entries_.back().k + 1, entries_.back().start + entries_.back().duration};
}

bool SegmentStore::write(const std::string& path, std::span<const std::span<const std::uint8_t>> pieces) {
  if (write_pieces(path, pieces)) return true;
  failing_ = true;
  ++write_errors_;
  last_error_ = fmt::format("can't write {}: {}", path, std::strerror(errno));
  ::unlink(path.c_str());
  return false;
}

void SegmentStore::write_parts(const FinishedSegment& segment, Entry& entry) {
  // A radio's main playlist is one of them.
  const std::size_t first = renditions_.size() - std::min(renditions_.size(), segment.parts.size());
  for (std::size_t i = 0; first + i < renditions_.size(); ++i) {
    const SegmentFile& file = segment.parts[i];
    const std::string& name = renditions_[first + i].name;
    if (i < segment.awaited.size() && segment.awaited[i]) {
      entry.awaited.push_back({i, name});
    } else {
      write_part(entry, name, file);
    }
  }
}

void SegmentStore::write_part(Entry& entry, const std::string& name, const SegmentFile& file) {
  if (file.size == 0) return;
  if (write(path_of(entry, name), file.pieces)) {
    entry.parts.push_back({name, file.size});
  } else {
    ++lost_segments_;
  }
}

void SegmentStore::on_part(std::int64_t k, std::size_t part, const SegmentFile& file) {
  if (entries_.empty() || k < entries_.front().k || k > entries_.back().k) return;  // its segment is gone
  Entry& entry = entries_[static_cast<std::size_t>(k - entries_.front().k)];
  const auto found = std::find_if(entry.awaited.begin(), entry.awaited.end(),
                                  [&](const Entry::Awaited& a) { return a.place == part; });
  if (found == entry.awaited.end()) return;
  const std::string name = std::move(found->name);
  entry.awaited.erase(found);
  write_part(entry, name, file);
  const auto of = std::find_if(renditions_.begin(), renditions_.end(),
                               [&](const Rendition& r) { return r.name == name; });
  const std::vector<Entry> shown = publish_part(name, true);
  if (of == renditions_.end()) return;
  measure(shown, of->variant);
  publish_multivariant();
}

void SegmentStore::on_segment(const FinishedSegment& segment) {
  begin_series_before(segment.k);
  const bool radio = !segment.formats.empty() && mpegts::is_audio(segment.formats[0].track.kind);
  begin_layout(!segment.apart ? "media" : radio ? "radio" : "video");
  Entry entry;
  entry.k = segment.k;
  entry.start = segment.start;
  entry.duration = segment.duration;
  entry.independent = segment.independent;
  entry.media = media_hash(segment.formats, segment_ms_, series_, segment.apart);
  entry.discontinuity = segment.discontinuity || (!last_media_.empty() && last_media_ != entry.media);
  entry.size = segment.size;
  failing_ = false;
  if (segment.apart && segment.size == 0) {
    entry.gap = true;
  } else if (!write(path_of(entry), segment.pieces)) {
    ++lost_segments_;
    entry.gap = true;
  }
  renditions_.clear();
  if (segment.apart) renditions_ = describe_parts(segment.formats, segment.configuration);
  write_parts(segment, entry);
  last_media_ = entry.media;
  last_segment_arrival_ns_ = arrival_ns_;
  const std::int64_t measured = arrival_ns_ / 1'000'000 - timeline_ / (mpegts::kTicksPerSecond / 1000);
  const std::int64_t rounded = (measured + (measured < 0 ? -500 : 500)) / 1000;
  // Fixed once; anew only where the timeline itself began anew.
  constexpr std::int64_t kFarOff = 60;
  if (!pdt_offset_s_ || (segment.discontinuity && std::abs(*pdt_offset_s_ - rounded) > kFarOff)) {
    pdt_offset_s_ = rounded;
  }
  const std::uint64_t bandwidth = variant_.bandwidth;
  const std::span<const TrackFormat> formats(segment.formats);
  variant_ = describe(segment.apart ? formats.first(std::min<std::size_t>(1, formats.size())) : formats);
  variant_.bandwidth = bandwidth;
  push(std::move(entry));
  publish();
}

void SegmentStore::on_gap(std::int64_t k, std::int64_t start, std::int64_t duration) {
  begin_series_before(k);
  Entry entry;
  entry.k = k;
  entry.start = start;
  entry.duration = duration;
  entry.gap = true;
  entry.media = last_media_;
  push(std::move(entry));
}

void SegmentStore::unlink_files(const Entry& entry) const {
  if (!entry.gap) ::unlink(path_of(entry).c_str());
  for (const Part& part : entry.parts) ::unlink(path_of(entry, part.name).c_str());
}

void SegmentStore::drop_entries() {
  for (const Entry& old : entries_) {
    if (old.discontinuity) ++discontinuity_sequence_;
    unlink_files(old);
  }
  entries_.clear();
}

// Ends all playlists; what comes stands under other addresses.
void SegmentStore::begin_addresses() {
  adopt(retire());
  drop_entries();
  cache_.clear();
  media_text_.reset();
  part_texts_.clear();
}

// Sound leaves the stream of the pictures, or comes back into it: who plays one can't go on with the other.
void SegmentStore::begin_layout(std::string layout) {
  if (layout == layout_) return;
  if (!entries_.empty()) begin_addresses();
  layout_ = std::move(layout);
}

// Numbers that step back begin under another address.
void SegmentStore::begin_series_before(std::int64_t k) {
  if (entries_.empty() || k > entries_.back().k) return;
  begin_addresses();
  ++series_;
}

void SegmentStore::push(Entry entry) {
  // Numbers that step back or leap leave nothing that could stand in one playlist with what was before.
  if (!entries_.empty() && entry.k != entries_.back().k + 1) {
    drop_entries();
    entry.discontinuity = true;
  }
  entries_.push_back(std::move(entry));
  const std::size_t kept = 2 * std::size_t{window_} + 1;
  while (entries_.size() > kept) {
    const Entry& old = entries_.front();
    if (old.discontinuity) ++discontinuity_sequence_;
    unlink_files(old);
    entries_.pop_front();
  }
  while (!cache_.empty() && cache_.front().k < entries_.front().k) cache_.pop_front();
}

std::unique_ptr<SegmentStore::Retired> SegmentStore::retire() {
  if (media_text_ == nullptr) return nullptr;
  auto retired = std::make_unique<Retired>();
  const auto end = [&](const std::string& name, const Text& text) {
    retired->playlists[name] = with_etag(text->content + "#EXT-X-ENDLIST\n");
  };
  end(media_name(), media_text_);
  for (const auto& [name, text] : part_texts_) {
    if (text != nullptr) end(name, text);
  }
  // As long as a segment stays that leaves the window.
  retired->keep = std::chrono::milliseconds(segment_ms_) * (2 * window_ + 1);
  const auto keep = [&](const Entry& entry, const std::string& part) {
    // The mapping outlives the file's name.
    if (auto file = find_own(entry.k, entry.media, part))
      retired->segments.push_back({entry.k, entry.media, part, std::move(file)});
  };
  for (const Entry& entry : entries_) {
    keep(entry, "");
    for (const Part& part : entry.parts) keep(entry, part.name);
  }
  return retired;
}

void SegmentStore::on_tick(std::chrono::steady_clock::time_point now) {
  if (retired_ == nullptr) return;
  if (!retired_->until) retired_->until = now + retired_->keep;
  if (now > *retired_->until) retired_.reset();
}

bool SegmentStore::find_playlist(std::string_view name, Text& text) const {
  if (name == media_name()) {
    text = media_text_;
    return true;
  }
  if (const auto own = part_texts_.find(name); own != part_texts_.end()) {
    text = own->second;
    return true;
  }
  if (retired_ == nullptr) return false;
  const auto ended = retired_->playlists.find(name);
  if (ended == retired_->playlists.end()) return false;
  text = ended->second;
  return true;
}

std::size_t SegmentStore::listed() const { return std::min<std::size_t>(window_, entries_.size()); }

std::uint64_t SegmentStore::discontinuity_sequence_at(std::size_t entry) const {
  std::uint64_t sequence = discontinuity_sequence_;
  for (std::size_t i = 0; i < entry; ++i) sequence += entries_[i].discontinuity ? 1 : 0;
  return sequence;
}

// Up to the first segment of which it is still awaited: one that is late is no gap. Returns what it shows.
std::vector<Entry> SegmentStore::publish_part(const std::string& part, bool whole) {
  const auto awaits = [&](const Entry& entry) {
    return std::any_of(entry.awaited.begin(), entry.awaited.end(),
                       [&](const Entry::Awaited& a) { return a.name == part; });
  };
  const auto end = std::find_if(entries_.begin(), entries_.end(), awaits);
  const auto count = static_cast<std::size_t>(end - entries_.begin());
  const std::size_t from = count - std::min<std::size_t>(window_, count);
  const std::vector<Entry> window(entries_.begin() + static_cast<std::ptrdiff_t>(from), end);
  std::vector<Entry> own = entries_of_part(window, part, whole);
  Text& text = part_texts_[part_name(part)];
  text = own.empty() ? nullptr
                     : with_etag(media_playlist(own, segment_ms_, discontinuity_sequence_at(from),
                                                pdt_offset_s_.value_or(0)));
  return own;
}

void SegmentStore::publish_parts() {
  part_texts_.clear();
  // A track that is gone: its viewers see gaps as long as the others may still play it.
  for (const Entry& entry : entries_) {
    for (const Part& part : entry.parts) {
      if (!part_texts_.contains(part_name(part.name))) publish_part(part.name, true);
    }
  }
  for (Rendition& r : renditions_) {
    if (r.name.empty()) {
      r.variant.bandwidth = variant_.bandwidth;
      r.variant.average_bandwidth = variant_.average_bandwidth;
    } else {
      const std::vector<Entry> own = publish_part(r.name, !r.group.empty());
      measure(own, r.variant);
      // The tables name it, and nothing comes: players that chose it would stand.
      const auto gap = [](const Entry& entry) { return entry.gap; };
      const bool nothing = !own.empty() && std::all_of(own.begin(), own.end(), gap);
      if (nothing && !r.group.empty()) r.offered = false;
    }
  }
  publish_multivariant();
}

// Not before each playlist that it names has a segment, or players that come at once get no further; and at
// the beginning not before all that the tables name had the time to come.
void SegmentStore::publish_multivariant() {
  const bool begins = multivariant_text_ == nullptr && entries_.size() < kFirstSegments;
  for (const Rendition& r : renditions_) {
    if (begins && !r.offered) return;
    if (r.offered && !r.name.empty() && part_texts_[part_name(r.name)] == nullptr) return;
  }
  const Level level{variant_, media_name()};
  const bool radio = layout_ == "radio";
  multivariant_text_ = with_etag(multivariant_playlist(
      {&level, radio ? 0U : 1U}, renditions_, [this](const Rendition& r) { return part_name(r.name); }));
}

void SegmentStore::publish() {
  const std::vector<Entry> window(entries_.end() - static_cast<std::ptrdiff_t>(listed()), entries_.end());
  measure(window, variant_);
  media_text_ = with_etag(media_playlist(
      window, segment_ms_, discontinuity_sequence_at(entries_.size() - listed()), pdt_offset_s_.value_or(0)));
  publish_parts();
  Journal journal;
  journal.segment_ms = segment_ms_;
  journal.series = series_;
  journal.discontinuity_sequence = discontinuity_sequence_;
  journal.has_pdt = pdt_offset_s_.has_value();
  journal.pdt_offset_s = pdt_offset_s_.value_or(0);
  journal.last_media = last_media_;
  journal.variant = variant_;
  journal.layout = layout_;
  journal.renditions = renditions_;
  journal.entries.assign(entries_.begin(), entries_.end());
  const std::string path = directory_ + "/journal.json";
  if (!hub::replace_file(path, to_json(journal))) {
    ++write_errors_;
    failing_ = true;
    last_error_ = fmt::format("can't write {}: {}", path, std::strerror(errno));
  }
}

std::shared_ptr<const MappedFile> SegmentStore::find(std::int64_t k, std::string_view media,
                                                     std::string_view part) {
  if (auto file = find_own(k, media, part)) return file;
  if (retired_ == nullptr) return nullptr;
  const auto found = std::find_if(retired_->segments.begin(), retired_->segments.end(), [&](const auto& s) {
    return s.k == k && s.media == media && s.part == part;
  });
  return found == retired_->segments.end() ? nullptr : found->file;
}

std::shared_ptr<const MappedFile> SegmentStore::find_own(std::int64_t k, std::string_view media,
                                                         std::string_view part) {
  if (entries_.empty() || k < entries_.front().k || k > entries_.back().k) return nullptr;
  const Entry& entry = entries_[static_cast<std::size_t>(k - entries_.front().k)];
  if (entry.media != media) return nullptr;
  std::uint64_t size = entry.size;
  if (part.empty()) {
    if (entry.gap) return nullptr;
  } else {
    const auto found =
        std::find_if(entry.parts.begin(), entry.parts.end(), [&](const Part& p) { return p.name == part; });
    if (found == entry.parts.end()) return nullptr;
    size = found->size;
  }
  const auto cached =
      std::find_if(cache_.begin(), cache_.end(), [&](const Cached& c) { return c.k == k && c.part == part; });
  if (cached != cache_.end()) {
    if (auto file = cached->file.lock()) return file;
    cache_.erase(cached);
  }
  auto file = MappedFile::open(path_of(entry, part));
  if (file == nullptr || file->bytes().size() != size) return nullptr;
  cache_.push_back({k, std::string(part), file});
  return file;
}

std::uint64_t SegmentStore::bytes_on_disk() const {
  std::uint64_t bytes = 0;
  for (const Entry& entry : entries_) {
    bytes += entry.gap ? 0 : entry.size;
    for (const Part& part : entry.parts) bytes += part.size;
  }
  return bytes;
}

std::optional<double> SegmentStore::last_segment_unix() const {
  if (entries_.empty() || !pdt_offset_s_) return std::nullopt;
  const std::int64_t end = entries_.back().start + entries_.back().duration;
  return static_cast<double>(end) / static_cast<double>(mpegts::kTicksPerSecond) +
         static_cast<double>(*pdt_offset_s_);
}

}  // namespace headgate::bridge::hls
