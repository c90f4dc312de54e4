#include "dataplane/bridge/hls/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
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

// FNV-1a, 64 bits: names a configuration or a text, guards nothing.
std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

SegmentStore::Text with_etag(std::string content) {
  std::string etag = fmt::format("\"{:016x}\"", fnv1a(content));
  return std::make_shared<const SegmentStore::Playlist>(
      SegmentStore::Playlist{std::move(content), std::move(etag)});
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return nullptr;
  struct stat status {};
  void* data = MAP_FAILED;
  if (::fstat(fd, &status) == 0 && status.st_size > 0) {
    data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, fd, 0);
  }
  ::close(fd);
  if (data == MAP_FAILED) return nullptr;
  return std::shared_ptr<const MappedFile>(
      new MappedFile(static_cast<const std::byte*>(data), static_cast<std::size_t>(status.st_size)));
}

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(data_), size_); }

SegmentStore::SegmentStore(std::string directory, std::uint32_t segment_ms, std::uint32_t window)
    : directory_(std::move(directory)), segment_ms_(segment_ms), window_(window) {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) last_error_ = "can't create " + directory_ + ": " + error.message();
  load();
  clean_folder();
  if (!entries_.empty()) publish();
}

std::string SegmentStore::path_of(const Entry& entry) const {
  return fmt::format("{}/{}-{}.ts", directory_, entry.k, entry.media);
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
  for (Entry& entry : journal->entries) {
    struct stat status {};
    const bool whole = ::stat(path_of(entry).c_str(), &status) == 0 &&
                       static_cast<std::uint64_t>(status.st_size) == entry.size;
    if (!whole) entry.gap = true;
    entries_.push_back(std::move(entry));
  }
}

void SegmentStore::clean_folder() const {
  std::set<std::string> known{directory_ + "/journal.json"};
  for (const Entry& entry : entries_) known.insert(path_of(entry));
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

bool SegmentStore::write_file(const std::string& path, const FinishedSegment& segment) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return false;
  std::vector<iovec> vectors;
  vectors.reserve(segment.pieces.size());
  for (const auto& piece : segment.pieces) {
    vectors.push_back({const_cast<std::uint8_t*>(piece.data()), piece.size()});
  }
  constexpr std::size_t kBatch = 512;
  std::size_t at = 0;
  bool good = true;
  while (good && at < vectors.size()) {
    const auto count = static_cast<int>(std::min(kBatch, vectors.size() - at));
    ssize_t written = ::writev(fd, vectors.data() + at, count);
    if (written < 0 && errno == EINTR) continue;
    good = written > 0;
    while (good && written > 0) {
      const auto done = std::min<std::size_t>(static_cast<std::size_t>(written), vectors[at].iov_len);
      vectors[at].iov_base = static_cast<std::uint8_t*>(vectors[at].iov_base) + done;
      vectors[at].iov_len -= done;
      written -= static_cast<ssize_t>(done);
      if (vectors[at].iov_len == 0) ++at;
    }
  }
  const int saved = errno;
  ::close(fd);
  errno = saved;
  return good;
}

void SegmentStore::on_segment(const FinishedSegment& segment) {
  begin_series_before(segment.k);
  Entry entry;
  entry.k = segment.k;
  entry.start = segment.start;
  entry.duration = segment.duration;
  entry.independent = segment.independent;
  entry.media = media_hash(segment.formats, segment_ms_, series_);
  entry.discontinuity = segment.discontinuity || (!last_media_.empty() && last_media_ != entry.media);
  entry.size = segment.size;
  const std::string path = path_of(entry);
  failing_ = !write_file(path, segment);
  if (failing_) {
    ++write_errors_;
    ++lost_segments_;
    last_error_ = fmt::format("can't write {}: {}", path, std::strerror(errno));
    ::unlink(path.c_str());
    entry.gap = true;
  }
  last_media_ = entry.media;
  const std::int64_t measured = arrival_ns_ / 1'000'000 - timeline_ / (mpegts::kTicksPerSecond / 1000);
  const std::int64_t rounded = (measured + (measured < 0 ? -500 : 500)) / 1000;
  // Fixed once; anew only where the timeline itself began anew.
  constexpr std::int64_t kFarOff = 60;
  if (!pdt_offset_s_ || (segment.discontinuity && std::abs(*pdt_offset_s_ - rounded) > kFarOff)) {
    pdt_offset_s_ = rounded;
  }
  const Variant found = describe(segment.formats);
  const std::uint64_t bandwidth = variant_.bandwidth;
  variant_ = found;
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

void SegmentStore::drop_entries() {
  for (const Entry& old : entries_) {
    if (old.discontinuity) ++discontinuity_sequence_;
    ::unlink(path_of(old).c_str());
  }
  entries_.clear();
}

// Numbers that step back begin under another address.
void SegmentStore::begin_series_before(std::int64_t k) {
  if (entries_.empty() || k > entries_.back().k) return;
  adopt(retire());
  drop_entries();
  cache_.clear();
  ++series_;
  media_text_.reset();
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
    if (!old.gap) ::unlink(path_of(old).c_str());
    entries_.pop_front();
  }
  while (!cache_.empty() && cache_.front().k < entries_.front().k) cache_.pop_front();
}

std::unique_ptr<SegmentStore::Retired> SegmentStore::retire() {
  if (media_text_ == nullptr) return nullptr;
  auto retired = std::make_unique<Retired>();
  retired->name = media_name();
  retired->text = with_etag(media_text_->content + "#EXT-X-ENDLIST\n");
  // As long as a segment stays that leaves the window.
  retired->keep = std::chrono::milliseconds(segment_ms_) * (2 * window_ + 1);
  const std::vector<Entry> entries(entries_.begin(), entries_.end());
  for (const Entry& entry : entries) {
    // The mapping outlives the file's name.
    if (auto file = find_own(entry.k, entry.media))
      retired->segments.push_back({entry.k, entry.media, std::move(file)});
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
  if (retired_ == nullptr || name != retired_->name) return false;
  text = retired_->text;
  return true;
}

std::size_t SegmentStore::listed() const { return std::min<std::size_t>(window_, entries_.size()); }

std::uint64_t SegmentStore::listed_discontinuity_sequence() const {
  std::uint64_t sequence = discontinuity_sequence_;
  const std::size_t unlisted = entries_.size() - listed();
  for (std::size_t i = 0; i < unlisted; ++i) sequence += entries_[i].discontinuity ? 1 : 0;
  return sequence;
}

void SegmentStore::publish() {
  const std::vector<Entry> window(entries_.end() - static_cast<std::ptrdiff_t>(listed()), entries_.end());
  measure(window, variant_);
  media_text_ = with_etag(
      media_playlist(window, segment_ms_, listed_discontinuity_sequence(), pdt_offset_s_.value_or(0)));
  multivariant_text_ = with_etag(multivariant_playlist(variant_, media_name()));
  Journal journal;
  journal.segment_ms = segment_ms_;
  journal.series = series_;
  journal.discontinuity_sequence = discontinuity_sequence_;
  journal.has_pdt = pdt_offset_s_.has_value();
  journal.pdt_offset_s = pdt_offset_s_.value_or(0);
  journal.last_media = last_media_;
  journal.variant = variant_;
  journal.entries.assign(entries_.begin(), entries_.end());
  const std::string path = directory_ + "/journal.json";
  if (!hub::replace_file(path, to_json(journal))) {
    ++write_errors_;
    failing_ = true;
    last_error_ = fmt::format("can't write {}: {}", path, std::strerror(errno));
  }
}

std::shared_ptr<const MappedFile> SegmentStore::find(std::int64_t k, std::string_view media) {
  if (auto file = find_own(k, media)) return file;
  if (retired_ == nullptr) return nullptr;
  const auto found = std::find_if(retired_->segments.begin(), retired_->segments.end(),
                                  [&](const auto& s) { return s.k == k && s.media == media; });
  return found == retired_->segments.end() ? nullptr : found->file;
}

std::shared_ptr<const MappedFile> SegmentStore::find_own(std::int64_t k, std::string_view media) {
  if (entries_.empty() || k < entries_.front().k || k > entries_.back().k) return nullptr;
  const Entry& entry = entries_[static_cast<std::size_t>(k - entries_.front().k)];
  if (entry.gap || entry.media != media) return nullptr;
  const auto cached = std::find_if(cache_.begin(), cache_.end(), [k](const Cached& c) { return c.k == k; });
  if (cached != cache_.end()) {
    if (auto file = cached->file.lock()) return file;
    cache_.erase(cached);
  }
  auto file = MappedFile::open(path_of(entry));
  if (file == nullptr || file->bytes().size() != entry.size) return nullptr;
  cache_.push_back({k, file});
  return file;
}

std::uint64_t SegmentStore::bytes_on_disk() const {
  std::uint64_t bytes = 0;
  for (const Entry& entry : entries_) bytes += entry.gap ? 0 : entry.size;
  return bytes;
}

std::optional<double> SegmentStore::last_segment_unix() const {
  if (entries_.empty() || !pdt_offset_s_) return std::nullopt;
  const std::int64_t end = entries_.back().start + entries_.back().duration;
  return static_cast<double>(end) / static_cast<double>(mpegts::kTicksPerSecond) +
         static_cast<double>(*pdt_offset_s_);
}

std::string media_hash(const std::vector<TrackFormat>& formats, std::uint32_t segment_ms,
                       std::uint64_t series) {
  std::string key = fmt::format("{},{};", segment_ms, series);
  for (const TrackFormat& f : formats) {
    key += fmt::format("{},{:#x},{},{}", f.track.pid.value, f.track.stream_type,
                       mpegts::to_string(f.track.kind), f.track.language);
    if (f.video) {
      key += fmt::format(",{},{}x{},{}/{}", f.video->codec, f.video->width, f.video->height,
                         f.video->frame_rate_num, f.video->frame_rate_den);
    }
    if (f.audio) key += fmt::format(",{},{},{}", f.audio->codec, f.audio->sample_rate, f.audio->channels);
    key += ';';
  }
  return fmt::format("{:016x}", fnv1a(key));
}

Variant describe(const std::vector<TrackFormat>& formats) {
  Variant variant;
  std::vector<std::string> codecs;
  bool complete = true;
  for (const TrackFormat& f : formats) {
    const std::string codec = f.video ? f.video->codec : f.audio ? f.audio->codec : "";
    complete = complete && !codec.empty();
    if (std::find(codecs.begin(), codecs.end(), codec) == codecs.end()) codecs.push_back(codec);
    if (f.video) {
      variant.width = f.video->width;
      variant.height = f.video->height;
      variant.frame_rate_num = f.video->frame_rate_num;
      variant.frame_rate_den = f.video->frame_rate_den;
    }
  }
  if (complete) variant.codecs = fmt::format("{}", fmt::join(codecs, ","));
  return variant;
}

}  // namespace headgate::bridge::hls
