// The picture that stands for a channel: in memory for players, and in run_dir/bridge/pictures for a bridge
// that starts anew and for the mosaic of control. References: RFC 9110 8.8 (validators). Threading: owned by
// one thread; the bytes are immutable and may be shared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace headgate::bridge::transcode {

class Thumbnail {
 public:
  static constexpr std::size_t kMaxBytes = 1024 * 1024;

  // Takes what stands in `directory`. Without a directory ("") nothing is written.
  Thumbnail(std::string directory, const std::string& channel);
  // False: this is no JPEG, and what was stays. `tile`: raw RGB for the mosaic.
  bool set(std::span<const std::uint8_t> jpeg, std::span<const std::uint8_t> tile, std::int64_t unix_ns);
  void remove();
  // Of channels that are not wanted.
  static void remove_others(const std::string& directory,
                            const std::function<bool(const std::string&)>& wanted);

  const std::shared_ptr<const std::string>& jpeg() const { return jpeg_; }  // null: none yet
  const std::string& etag() const { return etag_; }
  std::int64_t modified_unix() const { return modified_; }  // s
  std::uint64_t write_errors() const { return write_errors_; }

 private:
  void take(std::string bytes, std::int64_t modified);
  std::string path(const char* ending) const { return directory_ + "/" + channel_ + ending; }

  std::string directory_;
  std::string channel_;
  std::shared_ptr<const std::string> jpeg_;
  std::string etag_;
  std::int64_t modified_ = 0;
  std::uint64_t write_errors_ = 0;
};

}  // namespace headgate::bridge::transcode
