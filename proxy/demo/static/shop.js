// Everything works without this file; it only keeps numbers fresh.
"use strict";

const price = (cents) => "€" + (cents / 100).toFixed(2);

// The live stock count of a product page.
const counter = document.querySelector("[data-stock]");
if (counter && "WebSocket" in window) {
  const scheme = location.protocol === "https:" ? "wss://" : "ws://";
  const address = scheme + location.host + "/ws/stock?product=" + encodeURIComponent(counter.dataset.stock);
  const label = document.querySelector("[data-live]");
  let pause = 1000;
  const connect = () => {
    const socket = new WebSocket(address);
    socket.onopen = () => { pause = 1000; label.hidden = false; };
    socket.onmessage = (event) => { counter.textContent = JSON.parse(event.data).stock; };
    socket.onclose = () => { label.hidden = true; setTimeout(connect, pause); pause = Math.min(pause * 2, 60000); };
  };
  connect();
}

// The sum at checkout, when another delivery is chosen.
const sums = document.querySelector("[data-goods]");
for (const choice of document.querySelectorAll("[data-cost]")) {
  choice.addEventListener("change", () => {
    const cost = Number(choice.dataset.cost);
    sums.querySelector("[data-delivery]").textContent = cost ? price(cost) : "Free";
    sums.querySelector("[data-total]").textContent = price(Number(sums.dataset.goods) + cost);
  });
}
