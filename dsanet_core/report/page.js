"use strict"
const PAPER = {width: 680, ink: "#1b2430"}
const plots = [...document.querySelectorAll(".plot")]
const ink = () => getComputedStyle(document.body).color

for (const plot of plots) {
  const {data, layout} = JSON.parse(document.getElementById(`${plot.id}-data`).textContent)
  layout.font = {color: ink(), family: getComputedStyle(document.body).fontFamily, size: 13}
  Plotly.newPlot(plot, data, layout, {displayModeBar: false, responsive: true})
}

const redraw = change => plots.forEach(plot => Plotly.relayout(plot, change))
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw({"font.color": ink()}))
addEventListener("beforeprint", () => redraw({"font.color": PAPER.ink, width: PAPER.width}))
addEventListener("afterprint", () => redraw({"font.color": ink(), width: null, autosize: true}))

for (const button of document.querySelectorAll("[data-save]")) {
  button.addEventListener("click", () => {
    const text = document.getElementById(button.dataset.save).textContent
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}))
    link.download = button.dataset.name
    link.click()
    URL.revokeObjectURL(link.href)
  })
}
