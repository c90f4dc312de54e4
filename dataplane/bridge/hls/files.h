// A segment's file on its way to the disk and back. Threading: pure functions but for the file system; a
// MappedFile is immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace headgate::bridge::hls {

// A segment's file, mapped read-only.
class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  const std::byte* data_;
  std::size_t size_;
};

// Errors are in errno.
bool write_pieces(const std::string& path, std::span<const std::span<const std::uint8_t>> pieces);
}  // namespace headgate::bridge::hls
