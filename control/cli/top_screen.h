// What `headgate top` shows: the screen as lines, out of the answer to `status` and what the person chose.
// Pure: control/cli/top.cpp draws it. Threading: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/cli/filter.h"

namespace headgate::control {

struct ScreenLine {
  std::string text;
  std::string paint;  // a state or severity; "" plain
  bool selected = false;
  bool bold = false;
};

class TopScreen {
 public:
  // The words for --sort.
  static const std::vector<std::string>& orders();

  explicit TopScreen(ChannelFilter filter, std::string order = "state")
      : filter_(std::move(filter)), order_(std::move(order)) {}
  // The answers to `status` and `alarms`.
  void take(const nlohmann::json& status, const nlohmann::json& alarms);
  void sort_by(const std::string& order);
  void look_for(const std::string& pattern) { filter_.pattern = pattern; }
  const std::string& order() const noexcept { return order_; }
  const std::string& pattern() const noexcept { return filter_.pattern; }
  // By so many channels; the selected one stays in sight.
  void move(int by);
  // The id of the selected channel; "" where none is shown.
  std::string selected() const;
  // Exactly `rows` lines or fewer, none wider than `columns`.
  std::vector<ScreenLine> lines(std::size_t rows, std::size_t columns, const std::string& note = "");

 private:
  void arrange();
  std::string head_line(std::size_t columns) const;
  ScreenLine channel_line(const nlohmann::json& channel, std::size_t columns) const;

  ChannelFilter filter_;
  std::string order_;
  nlohmann::json status_ = nlohmann::json::object();
  nlohmann::json alarms_ = nlohmann::json::array();
  std::vector<nlohmann::json> shown_;
  std::map<std::string, std::uint64_t> errors_;  // CC errors at the look before
  std::map<std::string, std::uint64_t> fresh_;   // since then
  std::string selected_;
  std::size_t first_ = 0;  // of shown_ on the screen
};

}  // namespace headgate::control
