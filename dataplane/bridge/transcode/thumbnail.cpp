#include "dataplane/bridge/transcode/thumbnail.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/replace_file.h"

namespace headgate::bridge::transcode {
namespace {

constexpr const char* kJpegEnding = ".jpg";
constexpr const char* kTileEnding = ".tile";

// SOI and EOI (ITU-T T.81 B.1.1.3).
bool is_jpeg(std::span<const std::uint8_t> bytes) {
  return bytes.size() > 4 && bytes.size() <= Thumbnail::kMaxBytes && bytes[0] == 0xFF && bytes[1] == 0xD8 &&
         bytes[bytes.size() - 2] == 0xFF && bytes[bytes.size() - 1] == 0xD9;
}

// FNV-1a: tells pictures apart, guards nothing. The same after a restart.
std::string etag_of(const std::string& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("\"{:016x}\"", hash);
}

std::span<const std::uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Thumbnail::Thumbnail(std::string directory, const std::string& channel)
    : directory_(std::move(directory)), channel_(channel) {
  if (directory_.empty()) return;
  struct stat status {};
  const std::string file = path(kJpegEnding);
  if (::lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<std::uint64_t>(status.st_size) > kMaxBytes) {
    return;
  }
  auto bytes = protocol::read_file(file);
  if (bytes && is_jpeg(as_bytes(*bytes))) take(std::move(*bytes), status.st_mtime);
}

void Thumbnail::take(std::string bytes, std::int64_t modified) {
  etag_ = etag_of(bytes);
  modified_ = modified;
  jpeg_ = std::make_shared<const std::string>(std::move(bytes));
}

bool Thumbnail::set(std::span<const std::uint8_t> jpeg, std::span<const std::uint8_t> tile,
                    std::int64_t unix_ns) {
  if (!is_jpeg(jpeg)) return false;
  take({jpeg.begin(), jpeg.end()}, unix_ns / 1'000'000'000);
  if (directory_.empty()) return true;
  const bool written =
      hub::replace_file(path(kTileEnding), tile) && hub::replace_file(path(kJpegEnding), jpeg);
  if (!written) ++write_errors_;
  return true;
}

void Thumbnail::remove() {
  jpeg_.reset();
  etag_.clear();
  modified_ = 0;
  if (directory_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove(path(kJpegEnding), ignored);
  std::filesystem::remove(path(kTileEnding), ignored);
}

void Thumbnail::remove_others(const std::string& directory,
                              const std::function<bool(const std::string&)>& wanted) {
  std::error_code error;
  for (const auto& item : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = item.path().filename().string();
    if (wanted(name.substr(0, name.find('.')))) continue;
    std::error_code ignored;
    std::filesystem::remove(item.path(), ignored);
  }
}

}  // namespace headgate::bridge::transcode
