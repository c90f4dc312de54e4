// The applied maps in data_dir/history/NNNNNN: meta.json, model.json and the files as they were. At most
// kKeep of them. data_dir/applied holds the number of the one in force. All readable by the gateway only.
// Threading: one owner.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "config/load/load.h"

namespace headgate::control {

struct HistoryEntry {
  std::uint32_t number = 0;
  std::int64_t unix_ns = 0;
  std::string who;                        // "root (0)", "start"
  std::string summary;                    // "1 added, 2 changed"
  std::string changes;                    // "+ film; ~ sport: push"; "" of maps that older gateways kept
  std::optional<std::uint32_t> restores;  // made by a rollback to this one
  std::string sources_digest;
  bool operator==(const HistoryEntry&) const = default;
};

// Of paths and texts; equal digests are equal files.
std::string digest(const std::vector<config::SourceFile>& sources);

class History {
 public:
  static constexpr std::size_t kKeep = 100;

  explicit History(std::string data_dir) : data_dir_(std::move(data_dir)) {}
  // Stores it whole under another name, so that nothing can lack room any more when it comes into force.
  // Fills number and digest. The next one takes the place of what is neither confirmed nor discarded.
  tl::expected<HistoryEntry, std::string> prepare(HistoryEntry entry, const config::Model& model,
                                                  const std::vector<config::SourceFile>& sources);
  // Makes what was prepared the one in force.
  tl::expected<void, std::string> confirm(const HistoryEntry& prepared);
  void discard(const HistoryEntry& prepared);
  // prepare and confirm.
  tl::expected<HistoryEntry, std::string> add(HistoryEntry entry, const config::Model& model,
                                              const std::vector<config::SourceFile>& sources);
  std::vector<HistoryEntry> list() const;  // oldest first; unreadable ones are left out
  std::optional<HistoryEntry> applied() const;
  // The map that was in force before the applied one. What a rollback restored has the past of the map that
  // it restored: a second rollback goes further back.
  std::optional<HistoryEntry> before_applied() const;
  std::optional<HistoryEntry> find(std::uint32_t number) const { return read(number); }
  // Admin tokens are not stored: they are read from tokens_file as it is now, and none where that fails.
  tl::expected<std::shared_ptr<const config::Model>, std::string> model(std::uint32_t number) const;
  std::vector<config::SourceFile> sources(std::uint32_t number) const;

 private:
  std::string folder(std::uint32_t number) const;
  std::string unfinished(std::uint32_t number) const { return folder(number) + ".new"; }
  tl::expected<void, std::string> write(const HistoryEntry& entry, const config::Model& model,
                                        const std::vector<config::SourceFile>& sources) const;
  std::vector<std::uint32_t> numbers() const;
  std::optional<HistoryEntry> read(std::uint32_t number) const;
  void prune() const;
  std::string data_dir_;
};

}  // namespace headgate::control
